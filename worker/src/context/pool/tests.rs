use super::{Pool, Sharing, sequences};

#[test]
fn there_are_no_more_sequences_than_slots_and_each_comes_back() {
    let mut pool = Pool::new(2);
    let first = pool.take().unwrap();
    let second = pool.take().unwrap();
    assert_eq!((first.id(), second.id()), (0, 1));
    assert!(pool.take().is_none());
    pool.give(first);
    assert_eq!(pool.take().unwrap().id(), 0);
}

#[test]
fn the_engine_can_tell_all_sequences_apart() {
    assert_eq!(sequences(4, Sharing::Parts), 28);
    assert_eq!(sequences(4, Sharing::Whole), 12);
    assert_eq!(sequences(256, Sharing::Parts), 256);
}
