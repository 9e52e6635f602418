//! The layout of the engine's state of one sequence (`llama_kv_cache::state_write` of
//! llama-kv-cache.cpp, at the pinned version).
//!
//! ```text
//! magic u32, sequence i32, then one part, or two where a second cache has a window:
//!   streams u32 = 1, cells u32, for each cell: position i32, sequences u32 = 1, [12 bytes], id i32
//!   transposed u32, layers u32, rotation of keys u32, of values u32
//!   for each layer, keys: type i32, bytes of a row u64, a row for each cell
//!   for each layer, values: the same; or transposed: type i32, bytes of an element u32,
//!     elements u32, for each element one of each cell
//! ```

use super::Broken;

/// What `llama_context::state_seq_get_data` writes first.
const MAGIC: u32 = 0xaf14_3cd8;

/// Bytes of a cell's description, and those of one with a place in two dimensions.
const CELL_BYTES: [usize; 2] = [12, 24];

/// Layers of a model; the deepest published one has 126.
const LAYERS_MAX: u32 = 1024;

/// How numbers are stored: the value of `enum ggml_type`, the bytes of a block, and those of its
/// numbers that could be none.
const TYPES: [(i32, usize, Floats); 5] = [
    (0, 4, Floats::F32),
    (1, 2, Floats::F16),
    (30, 2, Floats::BF16),
    // Q4_0 and Q8_0: a scale as F16, then whole numbers.
    (2, 18, Floats::F16),
    (8, 34, Floats::F16),
];

/// A number with an exponent.
#[derive(Clone, Copy)]
enum Floats {
    F32,
    F16,
    BF16,
}

/// Checks that `state` is that of a sequence with `count` tokens, and that all its numbers are.
///
/// # Errors
/// [`Broken`].
pub(crate) fn check(state: &[u8], count: u32) -> Result<(), Broken> {
    let plain = check_with(state, count, CELL_BYTES[0]);
    plain.or_else(|broken| check_with(state, count, CELL_BYTES[1]).map_err(|_| broken))
}

fn check_with(state: &[u8], count: u32, cell_bytes: usize) -> Result<(), Broken> {
    let mut rest = Rest(state);
    if rest.u32()? != MAGIC {
        return Err(Broken("its state does not begin as one"));
    }
    rest.u32()?;
    let cells = rest.cells(count, cell_bytes)?;
    if cells != count {
        return Err(Broken("its state is not that of its tokens"));
    }
    rest.numbers(cells)?;
    if !rest.0.is_empty() {
        // The window holds the last of the same tokens.
        let cells = rest.cells(count, cell_bytes)?;
        rest.numbers(cells)?;
    }
    if rest.0.is_empty() { Ok(()) } else { Err(Broken("something stands behind its state")) }
}

/// What was not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// The descriptions of cells of a sequence with `count` tokens; answers how many.
    fn cells(&mut self, count: u32, cell_bytes: usize) -> Result<u32, Broken> {
        if self.u32()? != 1 {
            return Err(Broken("its state is of several sequences"));
        }
        let cells = self.u32()?;
        if cells == 0 || cells > count {
            return Err(Broken("its state has too many cells, or none"));
        }
        let mut seen = vec![false; count as usize];
        for _ in 0..cells {
            let mut cell = Rest(self.take(cell_bytes)?);
            let position = cell.u32()? as usize;
            let here = seen.get_mut(position).ok_or(Broken("a cell is behind its last token"))?;
            if std::mem::replace(here, true) || cell.u32()? != 1 {
                return Err(Broken("two cells are for one token"));
            }
        }
        Ok(cells)
    }

    /// Keys and values of so many cells.
    fn numbers(&mut self, cells: u32) -> Result<(), Broken> {
        let transposed = self.u32()?;
        let layers = self.u32()?;
        let (_keys, _values) = (self.u32()?, self.u32()?);
        if transposed > 1 || layers == 0 || layers > LAYERS_MAX {
            return Err(Broken("its layers are not as any model has them"));
        }
        for _ in 0..layers {
            self.rows(cells)?;
        }
        // A model whose values are computed from its keys stores none.
        let layers = if self.0.is_empty() { 0 } else { layers };
        for _ in 0..layers {
            if transposed == 1 { self.columns(cells)? } else { self.rows(cells)? }
        }
        Ok(())
    }

    fn rows(&mut self, cells: u32) -> Result<(), Broken> {
        let kind = self.u32()?;
        let row = usize::try_from(self.u64()?).map_err(|_| Broken("a row is too long"))?;
        let bytes = row.checked_mul(cells as usize).ok_or(Broken("a row is too long"))?;
        finite(kind, self.take(bytes)?)
    }

    fn columns(&mut self, cells: u32) -> Result<(), Broken> {
        let kind = self.u32()?;
        let (size, elements) = (self.u32()? as usize, self.u32()? as usize);
        let bytes = size.checked_mul(elements).and_then(|row| row.checked_mul(cells as usize));
        finite(kind, self.take(bytes.ok_or(Broken("a row is too long"))?)?)
    }

    fn u32(&mut self) -> Result<u32, Broken> {
        let (word, rest) = self.0.split_first_chunk().ok_or(SHORT)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*word))
    }

    fn u64(&mut self) -> Result<u64, Broken> {
        let (word, rest) = self.0.split_first_chunk().ok_or(SHORT)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*word))
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }
}

const SHORT: Broken = Broken("its state is not whole");

/// Checks that all numbers of a type of the engine are numbers.
fn finite(kind: u32, bytes: &[u8]) -> Result<(), Broken> {
    let known = TYPES.iter().find(|known| i32::try_from(kind) == Ok(known.0));
    let &(_, block, floats) = known.ok_or(Broken("its numbers are of no type that is used"))?;
    let blocks = bytes.chunks_exact(block);
    if !blocks.remainder().is_empty() {
        return Err(Broken("a row is no whole number of blocks"));
    }
    let odd = match floats {
        Floats::F16 => blocks.fold(false, |odd, b| odd | has_all(high(b, 1), 0x7c00)),
        Floats::BF16 => blocks.fold(false, |odd, b| odd | has_all(high(b, 1), 0x7f80)),
        Floats::F32 => blocks.fold(false, |odd, b| odd | has_all(high(b, 3), 0x7f80)),
    };
    if odd { Err(Broken("it holds a value that is no number")) } else { Ok(()) }
}

/// The two bytes of a block that end at `at`: of a little-endian number the exponent.
fn high(block: &[u8], at: usize) -> u16 {
    let byte = |at: usize| block.get(at).copied().unwrap_or(0);
    u16::from_le_bytes([byte(at - 1), byte(at)])
}

/// Whether all bits of an exponent are set: infinity, or no number.
fn has_all(bits: u16, exponent: u16) -> bool {
    bits & exponent == exponent
}
