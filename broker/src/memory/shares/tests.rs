use proptest::prelude::*;

use super::*;

const ONE: DomainId = DomainId(1);
const OTHER: DomainId = DomainId(2);
const THIRD: DomainId = DomainId(3);

/// 100 bytes to share and 64 that are reserved: 1 for each of so many sessions.
fn shares() -> Shares {
    Shares::new(164, Share { each_min: 1, reserve: 64 }, "it")
}

#[test]
fn a_session_may_hold_as_much_as_it_leaves_free() {
    let mut shares = shares();
    let mut first = shares.charge(ONE, 30).unwrap();
    let refusal = shares.charge(ONE, 21).unwrap_err();
    assert_eq!(refusal.code, Code::Memory);
    assert!(refusal.retry_after_ms.is_some());
    for part in ["it takes", "21 bytes", "holds 30", "30 of 164", "beyond 1 ", "without 64"] {
        assert!(refusal.message.contains(part), "{}", refusal.message);
    }
    let rest = shares.charge(ONE, 20).unwrap();
    let other = shares.charge(OTHER, 25).unwrap();
    shares.charge(OTHER, 1).unwrap_err();
    let third = shares.charge(THIRD, 12).unwrap();
    let full = shares.charge(ONE, 1).unwrap_err();
    assert!(full.message.contains("87 of 164"), "{}", full.message);
    first.shrink(10);
    first.shrink(15);
    assert_eq!((first.bytes(), shares.held()), (10, 67), "it never grows");
    drop(shares.charge(ONE, 1).expect("of what it gave back"));
    drop((first, rest, other, third));
    assert!(shares.charge(THIRD, 50).is_ok(), "all of it comes back");
}

#[test]
fn what_others_hold_leaves_each_its_part_of_the_reserve() {
    let mut shares = shares();
    let mut large = Vec::new();
    for session in 1..=20 {
        large.extend((1..=50).rev().find_map(|bytes| shares.charge(DomainId(session), bytes).ok()));
    }
    assert_eq!(shares.held(), 100 + 12, "eight take all beyond it, twelve a part of it");
    shares.charge(ONE, 1).unwrap_err();
    assert!(shares.charge(ONE, 0).is_ok(), "what needs nothing needs no room");
    for session in 21..=72 {
        large.push(shares.charge(DomainId(session), 1).expect("its part"));
    }
    shares.charge(DomainId(73), 1).unwrap_err();
}

#[test]
fn what_never_fits_is_not_to_be_tried_again() {
    let mut shares = shares();
    for bytes in [51, 164, 165, usize::MAX] {
        assert_eq!(shares.charge(ONE, bytes).unwrap_err().retry_after_ms, None, "{bytes}");
    }
    assert_eq!(shares.held(), 0);
}

#[test]
fn a_refusal_takes_nothing() {
    let mut shares = shares();
    let one = shares.charge(ONE, 50).unwrap();
    for _ in 0..3 {
        shares.charge(OTHER, 26).unwrap_err();
        shares.charge(ONE, 1).unwrap_err();
    }
    assert_eq!(shares.each.len(), 1, "who holds nothing is not remembered");
    let other = shares.charge(OTHER, 25).unwrap();
    drop(one);
    shares.charge(THIRD, 38).unwrap_err();
    assert!(!shares.each.contains_key(&ONE), "who holds nothing any more is forgotten");
    drop(other);
}

/// Small or large.
fn bytes() -> impl Strategy<Value = usize> {
    prop_oneof![0..=4_usize, 0..600_usize]
}

proptest! {
    /// Whatever some do: what is held is what their charges say, and whoever comes gets its part,
    /// as long as there are not more than it is kept for.
    #[test]
    fn there_is_room_for_whoever_comes(
        steps in prop::collection::vec((1..64_u64, bytes(), any::<bool>()), 0..600),
    ) {
        let mut shares = Shares::new(1_024, Share { each_min: 4, reserve: 64 * 4 }, "it");
        let mut charges = Vec::new();
        for (session, bytes, ends) in steps {
            if ends && session % 4 == 0 && !charges.is_empty() {
                charges.swap_remove(bytes % charges.len());
            }
            charges.extend(shares.charge(DomainId(session), bytes));
            prop_assert_eq!(shares.held(), charges.iter().map(Charge::bytes).sum::<usize>());
            prop_assert!(shares.charge(DomainId(0), 4).is_ok());
        }
    }
}
