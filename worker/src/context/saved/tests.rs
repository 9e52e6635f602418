use llama_cpp_2::token::LlamaToken;
use proptest::prelude::*;

use super::{check, head, read};

/// Bytes of a cell, and whether values are transposed.
#[derive(Clone, Copy, Debug)]
struct Kind {
    cell_bytes: usize,
    transposed: u32,
    numbers: i32,
}

const PLAIN: Kind = Kind { cell_bytes: 12, transposed: 0, numbers: 1 };

fn word(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_le_bytes());
}

fn part(out: &mut Vec<u8>, positions: &[u32], kind: Kind) {
    let cells = positions.len();
    word(out, 1);
    word(out, u32::try_from(cells).unwrap());
    for &position in positions {
        word(out, position);
        word(out, 1);
        out.extend(vec![0; kind.cell_bytes - 8]);
    }
    for value in [kind.transposed, 2, 0, 0] {
        word(out, value);
    }
    let row = if kind.numbers == 8 { 68 } else { 64 };
    for layer in 0..4 {
        out.extend(kind.numbers.to_le_bytes());
        if layer >= 2 && kind.transposed == 1 {
            word(out, 2);
            word(out, 32);
        } else {
            out.extend(u64::to_le_bytes(row as u64));
        }
        out.extend(vec![0x3b; row * cells]);
    }
}

fn state(kind: Kind) -> Vec<u8> {
    let mut out = 0xaf14_3cd8_u32.to_le_bytes().to_vec();
    word(&mut out, 3);
    part(&mut out, &[0, 1, 4, 3, 2], kind);
    out
}

#[test]
fn states_of_all_layouts_are_known() {
    let quantized = Kind { numbers: 8, ..PLAIN };
    let transposed = Kind { transposed: 1, ..PLAIN };
    let placed = Kind { cell_bytes: 24, ..PLAIN };
    for kind in [PLAIN, quantized, transposed, placed] {
        let state = state(kind);
        assert_eq!(check(&state, 5), Ok(()), "{kind:?}");
        assert!(check(&state, 4).is_err() && check(&state, 6).is_err());
    }
    let mut windowed = state(PLAIN);
    part(&mut windowed, &[3, 4], PLAIN);
    assert_eq!(check(&windowed, 5), Ok(()));
    windowed.extend([0; 8]);
    assert!(check(&windowed, 5).is_err());
}

#[test]
fn a_value_that_is_no_number_is_found_wherever_it_stands() {
    let good = state(PLAIN);
    let numbers = good.len() - 4 * 64 * 5;
    for at in [numbers - 40, good.len() - 64 * 5, good.len() - 2] {
        let mut bad = good.clone();
        bad[at..at + 2].copy_from_slice(&0x7e00_u16.to_le_bytes());
        assert!(check(&bad, 5).is_err(), "at {at}");
    }
}

#[test]
fn a_cell_belongs_to_one_token() {
    for positions in [&[0, 1, 1, 2, 3][..], &[0, 1, 2, 3, 5], &[0, 1, 2, 3, u32::MAX], &[0, 1]] {
        let mut state = state(PLAIN)[..8].to_vec();
        part(&mut state, positions, PLAIN);
        assert!(check(&state, 5).is_err(), "{positions:?}");
    }
}

#[test]
fn tokens_come_back_and_none_that_is_unknown() {
    let tokens: Vec<LlamaToken> = [5, 0, 99].map(LlamaToken::new).to_vec();
    let mut bytes = head(&tokens);
    bytes.extend([1, 2, 3]);
    let saved = read(&bytes, 100).unwrap();
    assert_eq!((saved.tokens, saved.state), (tokens, &[1, 2, 3][..]));
    assert!(read(&bytes, 99).is_err(), "a token outside the vocabulary");
    assert!(read(&bytes[..15], 100).is_err() && read(&[], 100).is_err());
    assert!(read(&head(&[]), 100).is_err(), "no token at all");
    let huge = u32::MAX.to_le_bytes();
    assert!(read(&huge, u32::MAX).is_err(), "nothing is allocated for a count");
}

proptest! {
    #[test]
    fn nothing_is_read_beyond_the_end(at in 0..1500_usize, cut in any::<bool>(), bit in 0..8_u32) {
        let mut state = state(PLAIN);
        let at = at % state.len();
        if cut {
            // A state may end behind its keys, if its model has no values; the engine knows.
            let keys = state.len() - 2 * (12 + 64 * 5);
            state.truncate(at);
            prop_assert!(check(&state, 5).is_err() || at == keys);
        } else {
            state[at] ^= 1_u8 << bit;
            // It may be a value that is as good as another; then it is whole at least.
            let _whole = check(&state, 5);
        }
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(check(&bytes, 5).is_err());
        let _read = read(&bytes, 100);
    }
}
