use super::{Cells, Origin, distinct};

fn own(origin: u64, count: u32) -> Cells {
    Cells::default().then(Origin(origin), count)
}

#[test]
fn what_several_see_is_counted_once() {
    let first = own(1, 100);
    let second = first.first(60).then(Origin(2), 90);
    let third = second.first(80).then(Origin(3), 85);
    assert_eq!((first.count(), second.count(), third.count()), (100, 90, 85));
    assert_eq!(distinct([&first, &second, &third]), 100 + 30 + 5);
    assert_eq!(distinct([&second, &third]), 60 + 30 + 5, "the first is gone");
    assert_eq!(distinct([&third]), 85);
    assert_eq!(distinct([]), 0);
}

#[test]
fn a_sequence_grows_behind_its_own() {
    let first = own(1, 10);
    let mut second = first.first(4).then(Origin(2), 5);
    second.grow();
    assert_eq!(second.count(), 6);
    assert_eq!(distinct([&first, &second]), 12);
}

#[test]
fn a_cut_leaves_whole_runs_and_the_beginning_of_one() {
    let cells = own(1, 10).then(Origin(2), 20).then(Origin(3), 30);
    assert_eq!(cells.first(20), own(1, 10).then(Origin(2), 20));
    assert_eq!(cells.first(15), own(1, 10).then(Origin(2), 15));
    assert_eq!(cells.first(0), Cells::default());
    assert_eq!(cells.first(99), cells);
    assert_eq!(cells.clone().then(Origin(4), 30), cells, "nothing to compute is no run");
}

#[test]
fn what_nobody_else_sees_is_its_own_again() {
    let cells = own(1, 10).then(Origin(2), 20).then(Origin(3), 30);
    assert_eq!(cells.alone_from([]), 0);
    assert_eq!(cells.alone_from([&own(1, 5)]), 10);
    assert_eq!(cells.alone_from([&own(2, 5), &own(7, 3)]), 20);
    assert_eq!(cells.alone_from([&own(3, 5)]), 30);
}
