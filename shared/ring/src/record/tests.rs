use proptest::prelude::*;

use super::*;
use crate::layout::Layout;

fn lane() -> Lane {
    Layout { b_bytes: 4096, w_bytes: 4096, kind_max: 9 }.jobs()
}

#[test]
fn a_header_comes_back_as_it_went() {
    for (length, kind) in [(0, 1), (1, 2), (8, 9), (504, 3)] {
        let header = Header { length, kind };
        assert_eq!(Header::parse(header.encode(), lane(), 4096), Ok(header));
    }
}

#[test]
fn a_record_takes_its_header_and_whole_words() {
    for (length, bytes) in [(0, 8), (1, 16), (8, 16), (9, 24), (504, 512)] {
        assert_eq!(record_bytes(length), bytes, "payload of {length}");
    }
}

#[test]
fn every_limit_is_refused_one_above_it() {
    let word = |length, kind| Header { length, kind }.encode();
    let (published, limit) = (16, 512);
    let refusals = [
        (word(8, 0), Violation::Kind { kind: 0, limit: 9 }),
        (word(8, 10), Violation::Kind { kind: 10, limit: 9 }),
        (word(505, 1), Violation::Length { bytes: 520, limit }),
        (word(9, 1), Violation::Torn { bytes: 24, published }),
        (word(8, 1) | 1 << 40, Violation::HeaderBits { bits: 1 }),
        (word(LENGTH_MASK, 1), Violation::Length { bytes: (1 << 32) + 8, limit }),
    ];
    for (word, refusal) in refusals {
        assert_eq!(Header::parse(word, lane(), published), Err(refusal));
    }
}

#[test]
fn untouched_memory_is_no_record() {
    assert!(Header::parse(0, lane(), 4096).is_err());
}

proptest! {
    #[test]
    fn any_word_is_refused_or_within_every_limit(word: u64, published in 0_u64..5000) {
        if let Ok(header) = Header::parse(word, lane(), published) {
            prop_assert!((1..=9).contains(&header.kind));
            prop_assert!(record_bytes(header.length) <= published.min(512));
            prop_assert_eq!(header.encode(), word);
        }
    }

    #[test]
    fn plausible_words_too(
        length in 0_u64..600,
        kind in 0_u8..12,
        high in prop_oneof![9 => Just(0_u64), 1 => 1_u64..1 << 24],
        published in 0_u64..600,
    ) {
        let word = length | u64::from(kind) << KIND_SHIFT | high << RESERVED_SHIFT;
        let legal = high == 0
            && (1..=9).contains(&kind)
            && record_bytes(length) <= published.min(512);
        prop_assert_eq!(Header::parse(word, lane(), published).is_ok(), legal);
    }
}
