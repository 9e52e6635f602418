use super::Resident;

#[test]
fn what_is_shared_is_not_its_own() {
    let found = Resident::read("15952 6354 4199 691 0 10777 0\n", 4096);
    assert_eq!(found, Some(Resident { all: 6354 * 4096, private: 2155 * 4096 }));
    for bad in ["", "1 2", "1 x 2", "1 2 x"] {
        assert_eq!(Resident::read(bad, 4096), None, "{bad}");
    }
    let own = Resident::of(std::process::id()).expect("this process runs");
    assert!(own.private > 0 && own.private <= own.all);
    // Far more than what other tests free meanwhile.
    let touched = std::hint::black_box(vec![1_u8; 256 << 20]);
    let grown = Resident::of(std::process::id()).expect("this process runs");
    assert!(grown.private >= own.private + (128 << 20), "{own:?} {grown:?}");
    drop(touched);
}
