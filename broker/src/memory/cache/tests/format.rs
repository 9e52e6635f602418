//! The bytes of a file.

use std::io::{self, Read};

use core_wire::code::Code;
use proptest::prelude::*;

use super::{belongs, code, place, state};
use crate::memory::cache::{
    FILE_EXTRA_MAX,
    file::{self, HEADER_BYTES_MAX, Header, MAC_BYTES, MAGIC, PREFIX_BYTES},
    key::Key,
};

/// A file's bytes, and the key that they were written with.
fn written(bytes: usize) -> (Vec<u8>, Key) {
    let (key, mut out) = (Key::of([3; 32]), Vec::new());
    let header = Header::new(&place("a"), belongs(), &state(bytes)).unwrap().encode().unwrap();
    file::write(&mut out, &header, &state(bytes), &key).unwrap();
    assert_eq!(out.len() as u64, file::bytes(header.len(), bytes));
    (out, key)
}

/// Counts what is asked of it, and has no end.
struct Endless(u64);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(0);
        self.0 += buffer.len() as u64;
        Ok(buffer.len())
    }
}

#[test]
fn no_more_is_read_than_the_header_and_the_file_allow() {
    let (file, key) = written(1000);
    let mut endless = Endless(0);
    assert_eq!(file::read(&mut endless, u64::MAX, &key).map(|_| ()).map_err(code), broken());
    assert!(endless.0 <= PREFIX_BYTES as u64, "{}", endless.0);
    for length in [u32::MAX, u32::try_from(HEADER_BYTES_MAX + 1).unwrap()] {
        let mut long = [&MAGIC[..], &length.to_le_bytes()].concat();
        long.resize(2 * HEADER_BYTES_MAX, 0);
        assert_eq!(read(&long, &key), broken());
    }
    let mut grown = file.clone();
    grown.push(0);
    assert_eq!(file::read(&grown[..], file.len() as u64, &key).map(|_| ()).map_err(code), broken());
    assert_eq!(read(&grown, &key), broken());
}

fn broken<T>() -> Result<T, Code> {
    Err(Code::ContextBroken)
}

fn read(file: &[u8], key: &Key) -> Result<(), Code> {
    file::read(file, file.len() as u64, key).map(|_| ()).map_err(code)
}

proptest! {
    #[test]
    fn every_truncation_and_every_flipped_bit_is_noticed(
        bytes in 12_usize..2000,
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let (file, key) = written(bytes);
        prop_assert!(file.len() as u64 <= bytes as u64 + FILE_EXTRA_MAX);
        prop_assert_eq!(read(&file, &key), Ok(()));
        let at = at.index(file.len());
        prop_assert_eq!(read(&file[..at], &key), broken());
        let mut flipped = file.clone();
        flipped[at] ^= 1 << bit;
        prop_assert_eq!(read(&flipped, &key), broken());
        prop_assert_eq!(read(&file, &Key::of([4; 32])), broken());
    }

    #[test]
    fn whatever_is_no_file_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let key = Key::of([3; 32]);
        prop_assert_eq!(read(&bytes, &key), broken());
        let begun = [&MAGIC[..], &bytes[..]].concat();
        prop_assert_eq!(read(&begun, &key), broken());
        prop_assert!(begun.len() < PREFIX_BYTES + MAC_BYTES || begun[..8] == MAGIC);
    }
}
