use std::time::Duration;

use super::{Gaps, Lie};

#[test]
fn a_lie_is_read_from_the_file_that_asks_for_it() {
    for &lie in Lie::all() {
        assert_eq!(Lie::of_file(lie.file(7).as_bytes()), Some((lie, 7)));
    }
    assert_eq!(Lie::of_file(b"GGUF"), None);
    assert_eq!(Lie::of_file(b"lie=none-such seed=1"), None);
}

#[test]
fn each_row_about_lies_has_some() {
    for row in ["H01", "H02", "H09", "H11", "H12", "T04"] {
        assert!(Lie::all().iter().any(|lie| lie.row() == row), "{row}");
    }
}

#[test]
fn a_stream_that_is_slower_than_half_is_told() {
    let gaps = |rate, p99_ms| {
        let p99 = Duration::from_millis(p99_ms);
        Gaps { rate, p99, longest: p99 }
    };
    let alone = gaps(200.0, 12);
    for (beside, holds) in [
        (gaps(200.0, 12), true),
        (gaps(100.0, 24), true),
        (gaps(99.0, 12), false),
        (gaps(200.0, 25), false),
        (gaps(0.0, 1000), false),
    ] {
        assert_eq!(beside.within(&alone).is_ok(), holds, "{beside:?}");
    }
    // Below the noise of a shared machine nobody reads.
    assert!(gaps(200.0, 20).within(&gaps(200.0, 5)).is_ok());
}
