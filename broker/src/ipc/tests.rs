use super::Seats;

#[test]
fn seats_are_bounded_and_come_back() {
    let seats = Seats::default();
    let taken: Vec<_> = (0..3).map_while(|_| seats.take(2)).collect();
    assert_eq!(taken.len(), 2);
    drop(taken);
    assert!(seats.take(1).is_some());
    assert!(seats.take(0).is_none());
}
