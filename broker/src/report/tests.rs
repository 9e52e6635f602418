use core_policy::{
    profile::Profile,
    report::{How, Row, layer},
    seccomp::{Stage, filter_sha256},
};
use core_wire::worker::Claim;

use super::{NEEDED_AT_READY, Said, Seen, Verified, claimed, of_rings};

fn all() -> Seen {
    let mut seen = Seen::default();
    seen.merge(NEEDED_AT_READY.map(|name| Row::yes(name, How::OutsideAtReady, "")), 7);
    seen
}

#[test]
fn one_missing_or_broken_row_is_named() {
    assert_eq!(all().missing(), None);
    assert!(all().sandbox(Verified::AtReady, Profile::Cpu).verified);
    assert!(!all().sandbox(Verified::NotYet, Profile::Cpu).verified);
    for name in NEEDED_AT_READY {
        let others = NEEDED_AT_READY.into_iter().filter(|other| *other != name);
        let mut seen = Seen::default();
        seen.merge(others.map(|other| Row::yes(other, How::OutsideAtReady, "")), 7);
        assert_eq!(seen.missing(), Some(name.text));
        seen.merge([Row::no(name, How::OutsideAtReady, "")], 8);
        assert_eq!((seen.missing(), seen.broken()), (Some(name.text), Some(name.text)));
        assert!(!seen.sandbox(Verified::AtReady, Profile::Cpu).verified);
    }
}

#[test]
fn a_claim_is_a_word_and_only_a_known_code_counts() {
    let claim = |name| Claim(Row::yes(name, How::OwnWord, "").code());
    let how = |name, said| claimed(claim(name), said).map(|row| row.how);
    assert_eq!(how(layer::PDEATHSIG, Said::BeforeModel), Some(How::OwnWord));
    assert_eq!(how(layer::CANARY_ROOT, Said::BeforeModel), Some(How::Canary));
    assert_eq!(how(layer::CANARY_ROOT, Said::AfterModel), Some(How::OwnWord));
    assert_eq!(claimed(Claim(u16::MAX), Said::BeforeModel), None);
    let mut seen = Seen::default();
    seen.merge([Row::no(layer::NO_NEW_PRIVS, How::OutsideAtLocked, "")], 1);
    seen.merge(claimed(claim(layer::NO_NEW_PRIVS), Said::AfterModel), 1);
    assert_eq!(seen.broken(), Some("no-new-privs"), "what was seen outweighs a word");
}

#[test]
fn rows_say_how_and_when() {
    let mut seen = Seen::default();
    seen.merge([Row::yes(layer::FD_TABLE, How::OutsideAtLocked, "4")], 5);
    seen.merge([Row::yes(layer::RLIMITS, How::OutsideAtReady, "")], 9);
    let rows = seen.audit_rows();
    let told: Vec<_> = rows.iter().map(|r| (r.verified.as_str(), r.verified_at_ms)).collect();
    assert_eq!(told, [("outside at LOCKED", 5), ("outside at READY", 9)]);
    seen.merge([Row::partial(layer::MDWE, How::OwnWord, "")], 9);
    let mdwe = seen.audit_rows().pop().unwrap();
    assert!(!mdwe.achieved && !mdwe.required, "a part is not the whole");
}

#[test]
fn what_is_needed_and_not_seen_yet_is_told_as_missing() {
    let mut seen = Seen::default();
    seen.merge([Row::yes(layer::FD_TABLE, How::OutsideAtLocked, "4")], 5);
    let rows = seen.worker_rows();
    let missing = rows.iter().filter(|row| row.required && !row.achieved).count();
    assert_eq!((rows.len(), missing), (NEEDED_AT_READY.len(), NEEDED_AT_READY.len() - 1));
    assert!(all().worker_rows().iter().all(|row| row.achieved));
}

#[test]
fn what_only_the_suite_reads_was_never_seen_here() {
    let mut seen = all();
    seen.merge([core_policy::seccomp::content(core_policy::profile::Profile::Cpu)], 7);
    let row = seen.audit_rows().pop().unwrap();
    assert_eq!((row.verified.as_str(), row.verified_at_ms), ("suite", 0));
    assert!(row.value.contains("shipped"), "{}", row.value);
}

#[test]
fn a_kernel_without_noexec_seals_is_degraded() {
    let mut seen = Seen::default();
    seen.merge(of_rings(&["ring.noexec_seal"]), 1);
    assert_eq!(seen.sandbox(Verified::NotYet, Profile::Cpu).degraded, ["noexec-seal"]);
    let mut seen = Seen::default();
    seen.merge(of_rings(&[]), 1);
    assert!(seen.sandbox(Verified::NotYet, Profile::Cpu).degraded.is_empty());
}

#[test]
fn a_worker_on_a_gpu_is_shown_as_one_whatever_it_says() {
    let mut seen = all();
    seen.merge(Profile::Gpu.rows(How::OutsideAtLocked), 1);
    let lie = Claim(Row::yes(layer::PROFILE_GPU, How::OwnWord, "").code());
    seen.merge(claimed(lie, Said::BeforeModel), 2);
    seen.merge(claimed(lie, Said::AfterModel), 3);
    let shown = |profile| seen.sandbox(Verified::AtReady, profile);
    let (gpu, cpu) = (shown(Profile::Gpu), shown(Profile::Cpu));
    assert_eq!(gpu.degraded, ["profile.gpu"]);
    assert!(gpu.seccomp_serve > cpu.seccomp_serve && gpu.seccomp_load > cpu.seccomp_load);
    assert_eq!(gpu.filter_sha256, filter_sha256(Stage::Serve.under(Profile::Gpu)));
    assert_ne!(gpu.filter_sha256, cpu.filter_sha256);
    let rows = seen.audit_rows();
    assert!(rows.iter().any(|row| row.name == "profile.gpu" && !row.achieved && !row.required));
}
