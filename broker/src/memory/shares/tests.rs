use proptest::prelude::*;

use super::*;

const ONE: DomainId = DomainId(1);
const OTHER: DomainId = DomainId(2);
const THIRD: DomainId = DomainId(3);

#[test]
fn a_session_may_hold_as_much_as_it_leaves_free() {
    let mut shares = Shares::new(100, "it");
    let mut first = shares.charge(ONE, 30).unwrap();
    let refusal = shares.charge(ONE, 21).unwrap_err();
    assert_eq!(refusal.code, Code::Memory);
    assert!(refusal.retry_after_ms.is_some());
    for part in ["it takes", "21 bytes", "holds 30", "30 of 100"] {
        assert!(refusal.message.contains(part), "{}", refusal.message);
    }
    let rest = shares.charge(ONE, 20).unwrap();
    let other = shares.charge(OTHER, 25).unwrap();
    shares.charge(OTHER, 1).unwrap_err();
    let third = shares.charge(THIRD, 12).unwrap();
    let full = shares.charge(ONE, 1).unwrap_err();
    assert!(full.message.contains("87 of 100"), "{}", full.message);
    first.shrink(10);
    first.shrink(15);
    assert_eq!((first.bytes(), shares.held()), (10, 67), "it never grows");
    drop(shares.charge(ONE, 1).expect("of what it gave back"));
    drop((first, rest, other, third));
    assert!(shares.charge(THIRD, 50).is_ok(), "all of it comes back");
}

#[test]
fn what_never_fits_is_not_to_be_tried_again() {
    let mut shares = Shares::new(100, "it");
    for bytes in [51, 101, usize::MAX] {
        assert_eq!(shares.charge(ONE, bytes).unwrap_err().retry_after_ms, None, "{bytes}");
    }
    assert_eq!(shares.held(), 0);
}

#[test]
fn a_refusal_takes_nothing() {
    let mut shares = Shares::new(100, "it");
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

proptest! {
    /// Whatever some do: what is held is what their charges say, never more than all, and whoever
    /// comes gets something as long as few are there.
    #[test]
    fn there_is_room_for_whoever_comes(
        steps in prop::collection::vec((1..=5_u64, 0..600_usize, any::<bool>()), 0..60),
    ) {
        let mut shares = Shares::new(1_024, "it");
        let mut charges = Vec::new();
        for (session, bytes, ends) in steps {
            if ends && !charges.is_empty() {
                charges.swap_remove(bytes % charges.len());
            }
            charges.extend(shares.charge(DomainId(session), bytes));
            prop_assert_eq!(shares.held(), charges.iter().map(Charge::bytes).sum::<usize>());
            // Five take no more than half of what the one before left.
            prop_assert!(shares.held() <= 1_024 - (1_024 >> 5));
        }
        prop_assert!(shares.charge(DomainId(6), 1_024 >> 6).is_ok());
    }
}
