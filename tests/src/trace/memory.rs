//! Where an injected call finds its instruction and its arguments.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
};

use super::Arg;
use crate::harness::Setup;

/// The x86-64 `syscall` instruction.
const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// Below the stack pointer, past the red zone of 128 bytes and any frame in use.
const SCRATCH_BELOW: u64 = 16 << 10;
/// Where the frame of an entered function begins: below all arguments that are placed.
pub(super) const FRAME_BELOW: u64 = 32 << 10;
/// Between two arguments in the scratch area.
const SCRATCH_EACH: u64 = 1 << 10;
/// A vDSO is one to three pages.
const VDSO_BYTES_MAX: usize = 16 << 10;

/// The open memory of a process.
pub(super) struct Kept {
    /// The address of a `syscall` instruction.
    pub(super) at: u64,
    memory: File,
}

impl Kept {
    /// Of a process that shows its memory to this one.
    pub(super) fn of(pid: u32) -> Setup<Self> {
        let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem"))?;
        Ok(Self { at: syscall_instruction(pid, &memory)?, memory })
    }

    /// Writes what arguments point to beneath the stack; answers the six register values.
    pub(super) fn place(&self, pid: u32, stack: u64, arguments: &[Arg]) -> Setup<[u64; 6]> {
        place(&self.memory, pid, stack, arguments)
    }
}

/// The address of a `syscall` instruction in the vDSO.
fn syscall_instruction(pid: u32, memory: &File) -> Setup<u64> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let line = maps.lines().find(|line| line.ends_with("[vdso]")).ok_or("no vDSO")?;
    let (start, rest) = line.split_once('-').ok_or("a maps line without a range")?;
    let end = rest.split(' ').next().ok_or("a maps line without an end")?;
    let (start, end) = (u64::from_str_radix(start, 16)?, u64::from_str_radix(end, 16)?);
    let mut code = vec![0; usize::try_from(end - start)?.min(VDSO_BYTES_MAX)];
    memory.read_exact_at(&mut code, start)?;
    let at = code.windows(2).position(|bytes| bytes == SYSCALL).ok_or("no syscall in the vDSO")?;
    Ok(start + at as u64)
}

fn place(memory: &File, pid: u32, stack: u64, arguments: &[Arg]) -> Setup<[u64; 6]> {
    let mut values = [0; 6];
    let mut at = (stack - SCRATCH_BELOW) & !0xfff;
    for (value, argument) in values.iter_mut().zip(arguments) {
        let bytes = match argument {
            Arg::Num(number) => {
                *value = *number;
                continue;
            }
            Arg::Own => {
                *value = pid.into();
                continue;
            }
            Arg::Prior | Arg::Other => {
                return Err(format!("nobody put a number in the place of {argument:?}").into());
            }
            Arg::Bytes(bytes) => bytes.clone(),
            Arg::Text(text) => [text.as_bytes(), &[0]].concat(),
            Arg::Vector(bytes) => vector(at, bytes),
            Arg::Words(words) => pointers(at, words),
        };
        memory.write_all_at(&bytes, at)?;
        *value = at;
        at += SCRATCH_EACH.max(bytes.len() as u64);
    }
    Ok(values)
}

/// A `struct iovec` at `at`, and behind it the bytes that it names.
fn vector(at: u64, bytes: &[u8]) -> Vec<u8> {
    let (data, length) = (at + 16, bytes.len() as u64);
    [&data.to_le_bytes()[..], &length.to_le_bytes(), bytes].concat()
}

/// Pointers at `at`, and behind them the words that they name.
fn pointers(at: u64, words: &[String]) -> Vec<u8> {
    let mut next = at + 8 * (words.len() as u64 + 1);
    let (mut list, mut texts) = (Vec::new(), Vec::new());
    for word in words {
        list.extend_from_slice(&next.to_le_bytes());
        texts.extend_from_slice(word.as_bytes());
        texts.push(0);
        next += word.len() as u64 + 1;
    }
    list.extend_from_slice(&[0; 8]);
    [list, texts].concat()
}
