use super::{KEPT_MAX, Recent};

#[test]
fn the_one_whose_last_use_is_longest_ago_makes_room() {
    let mut recent = Recent::default();
    for key in 0..KEPT_MAX {
        recent.add(key, key * 10);
    }
    assert_eq!(recent.find(&0), Some(&0));
    recent.add(KEPT_MAX, 77);
    assert!(recent.has(&0) && !recent.has(&1), "1 was not used since");
    assert_eq!(recent.find(&KEPT_MAX), Some(&77));
    assert_eq!(recent.find(&1), None);
    recent.clear();
    assert!(!recent.has(&0));
}
