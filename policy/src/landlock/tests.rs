use landlock::PathFd;

use super::device::{grant, is_character_device};
use super::*;
use crate::report::Achieved;

#[test]
fn rows_follow_the_abi() {
    let held = |kernel: i32| {
        let rows = Rights { kernel, abi: ABI::from(kernel) }.rows(How::Probe);
        rows.iter().map(|row| row.achieved == Achieved::Yes).collect::<Vec<_>>()
    };
    // Files, TCP ports, scopes, truncation, commands to devices.
    assert_eq!(held(0), [false, false, false, false, false]);
    assert_eq!(held(2), [true, false, false, false, false]);
    assert_eq!(held(3), [true, false, false, true, false]);
    assert_eq!(held(4), [true, true, false, true, false]);
    assert_eq!(held(5), [true, true, false, true, true]);
    assert_eq!(held(7), [true, true, true, true, true]);
    let newer = Rights { kernel: 99, abi: ABI_PINNED }.rows(How::Probe);
    assert_eq!(newer[0].value, "abi 99, rights of 10");
}

#[test]
fn the_pinned_number_is_the_pinned_abi() {
    assert_eq!(ABI::from(ABI_PINNED_NUMBER), ABI_PINNED);
    assert!(abi() >= 1, "these tests need Landlock");
}

#[test]
fn rights_that_the_kernel_lacks_are_not_granted() {
    let old = Rights { kernel: 1, abi: ABI::V1 };
    let all = AccessFs::from_all(ABI_PINNED);
    assert_eq!(old.existing(all), AccessFs::from_all(ABI::V1));
}

#[test]
fn less_than_full_is_an_error() {
    for weak in [RulesetStatus::PartiallyEnforced, RulesetStatus::NotEnforced] {
        assert!(matches!(enforced(&weak), Err(DomainError::Weak(_))));
    }
    assert!(enforced(&RulesetStatus::FullyEnforced).is_ok());
}

#[test]
fn only_a_character_device_passes_for_one() {
    let is_device = |path: &str| is_character_device(&PathFd::new(path).unwrap());
    assert!(is_device("/dev/null"));
    assert!(!is_device("/etc/passwd") && !is_device("/dev"));
}

#[test]
fn a_name_of_a_device_that_is_a_file_is_refused() {
    let rights = Rights::of_kernel().unwrap();
    let granted = |path: &str| grant(rights.ruleset().unwrap(), rights, vec![path.into()]);
    assert!(granted("/dev/null").is_ok() && granted("/dev/nothing-of-this-name").is_ok());
    let refused = granted("/etc/passwd");
    assert!(matches!(refused, Err(DomainError::NoDevice { path }) if path.ends_with("passwd")));
}
