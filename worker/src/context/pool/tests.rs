use super::Pool;

#[test]
fn a_slot_takes_its_cells_and_gives_them_back() {
    let mut pool = Pool::new(2, 100);
    let first = pool.take(60).unwrap();
    assert_eq!(first.id(), 0);
    assert!(pool.take(41).is_none(), "only 40 cells are left");
    let second = pool.take(40).unwrap();
    assert_eq!(second.id(), 1);
    pool.give(first);
    pool.give(second);
    assert_eq!(pool.take(100).unwrap().cells, 100);
}

#[test]
fn there_are_no_more_sequences_than_slots() {
    let mut pool = Pool::new(1, 100);
    let only = pool.take(1).unwrap();
    assert!(pool.take(1).is_none(), "cells are left, but no slot");
    pool.give(only);
    assert!(pool.take(1).is_some());
}

#[test]
fn a_refused_taking_costs_nothing() {
    let mut pool = Pool::new(1, 10);
    assert!(pool.take(11).is_none());
    assert!(pool.take(10).is_some());
}
