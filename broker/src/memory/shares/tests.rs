use super::*;

const ONE: DomainId = DomainId(1);
const OTHER: DomainId = DomainId(2);
const THIRD: DomainId = DomainId(3);

#[test]
fn a_session_that_has_its_share_leaves_theirs_to_others() {
    let mut shares = Shares::new(100, 40);
    let mut first = shares.charge(ONE, 30).unwrap();
    let refusal = shares.charge(ONE, 11).unwrap_err();
    assert_eq!(refusal.code, Code::Memory);
    assert!(refusal.retry_after_ms.is_some());
    for part in ["11 bytes", "30 of its 40", "30 of 100"] {
        assert!(refusal.message.contains(part), "{}", refusal.message);
    }
    let _other = shares.charge(OTHER, 40).unwrap();
    let third = shares.charge(THIRD, 30).unwrap();
    assert_eq!(third.bytes(), 30);
    let full = shares.charge(THIRD, 1).unwrap_err();
    assert!(full.message.contains("100 of 100"), "{}", full.message);
    first.shrink(10);
    assert_eq!(first.bytes(), 10);
    drop(shares.charge(ONE, 20).expect("of what it gave back"));
    first.shrink(15);
    assert_eq!(first.bytes(), 10, "it never grows");
    drop((first, third));
    assert!(shares.charge(THIRD, 40).is_ok(), "all of it comes back");
}

#[test]
fn a_refusal_takes_nothing() {
    let mut shares = Shares::new(50, 40);
    let _one = shares.charge(ONE, 40).unwrap();
    for _ in 0..3 {
        shares.charge(OTHER, 20).unwrap_err();
        shares.charge(ONE, 10).unwrap_err();
    }
    assert!(shares.charge(OTHER, 10).is_ok());
    assert_eq!(shares.each.len(), 2);
    shares.charge(THIRD, 20).unwrap_err();
    assert!(!shares.each.contains_key(&OTHER), "who holds nothing is forgotten");
}
