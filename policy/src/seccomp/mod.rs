//! The three filters: what they list, their hash, and how they are installed.
//!
//! A profile is several programs, because one program has one answer for a match: first those that
//! answer with an errno, last the allow list. The kernel runs all of them and takes the strictest
//! answer (killing before errno before allowing), so what counts is the combined verdict.
//!
//! `tgkill` may only name the process itself, whose pid is unknown at build time. The compiled
//! program carries [`PID_SLOT`] there and [`program`] replaces it; the hash is that of the program
//! as shipped, with the slot.

mod dump;
#[cfg(test)]
mod tests;

use nix::errno::Errno;
use sha2::{Digest, Sha256};

pub use self::dump::dump;
use crate::report::{How, Name, Row, layer};
use crate::sys;

include!(concat!(env!("OUT_DIR"), "/filters.rs"));

/// A filter profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// While a worker parses its model.
    Load,
    /// While a worker reads prompts; stacked on [`Stage::Load`].
    Serve,
    /// The broker, and by inheritance every worker.
    Broker,
}

/// One compiled profile.
struct Profile {
    name: &'static str,
    syscalls: &'static [&'static str],
    layers: &'static [Layer],
}

/// One program of a profile.
struct Layer {
    errno: Option<u32>,
    pid_slots: usize,
    program: &'static [Insn],
}

/// One instruction, in the layout of the kernel's `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when a jump's comparison is true.
    pub jt: u8,
    /// Instructions to skip when it is false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// A filter could not be installed.
#[derive(Debug, thiserror::Error)]
#[error("the {stage} filter could not be installed: {source}; check that the kernel has seccomp")]
pub struct InstallError {
    /// Profile.
    stage: &'static str,
    /// Answer of the kernel.
    source: Errno,
}

impl Stage {
    fn profile(self) -> &'static Profile {
        match self {
            Self::Load => &LOAD,
            Self::Serve => &SERVE,
            Self::Broker => &BROKER,
        }
    }

    fn row(self) -> Name {
        match self {
            Self::Load => layer::SECCOMP_LOAD,
            Self::Serve => layer::SECCOMP_SERVE,
            Self::Broker => layer::SECCOMP_BROKER,
        }
    }

    /// Only SERVE meets other threads. Only the broker asks for log lines: a worker that breaks a
    /// rule is killed, which the kernel logs by itself.
    fn flags(self) -> [libc::c_ulong; 2] {
        match self {
            Self::Load => [0, 0],
            Self::Serve => [libc::SECCOMP_FILTER_FLAG_TSYNC; 2],
            Self::Broker => [0, libc::SECCOMP_FILTER_FLAG_LOG],
        }
    }
}

/// Name of the profile's file in policy/seccomp, without the suffix.
pub fn name(stage: Stage) -> &'static str {
    stage.profile().name
}

/// How many system calls the profile lists; for [`Stage::Load`] with those of SERVE.
pub fn count(stage: Stage) -> usize {
    stage.profile().syscalls.len()
}

/// The names that the profile lists, sorted.
pub fn syscalls(stage: Stage) -> &'static [&'static str] {
    stage.profile().syscalls
}

/// How many filters [`install`] adds, each of which /proc/PID/status counts.
pub fn filters(stage: Stage) -> usize {
    stage.profile().layers.len()
}

/// How many filters a worker at READY has beyond the broker's own.
pub fn worker_filters() -> usize {
    filters(Stage::Load) + filters(Stage::Serve)
}

/// SHA-256, in hexadecimal, of a profile as shipped: for each program the number of instructions
/// and the instructions, all little-endian, with the pid still open.
pub fn filter_sha256(stage: Stage) -> String {
    let mut hash = Sha256::new();
    for layer in stage.profile().layers {
        hash.update((layer.program.len() as u64).to_le_bytes());
        for insn in layer.program {
            hash.update(insn.code.to_le_bytes());
            hash.update([insn.jt, insn.jf]);
            hash.update(insn.k.to_le_bytes());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The row about the content of a worker's filters. Nobody but root can read an installed filter,
/// so at run time the row only says what was shipped; the conformance suite compares it.
pub fn content() -> Row {
    let value = format!(
        "shipped: load {:.12} serve {:.12}; installed: root alone can read",
        filter_sha256(Stage::Load),
        filter_sha256(Stage::Serve)
    );
    Row::yes(layer::SECCOMP_CONTENT, How::Suite, value)
}

/// The programs of a profile as the process `pid` installs them, for [`install`] and for tests that
/// compare them with what the kernel holds.
pub fn programs(stage: Stage, pid: u32) -> Vec<Vec<Insn>> {
    stage.profile().layers.iter().map(|layer| layer.for_pid(pid)).collect()
}

/// Installs a profile on this process; SERVE on all of its threads.
///
/// Call it for SERVE when every thread is parked: the kernel changes the threads while they run,
/// and one that is still starting dies on a call that SERVE lacks.
///
/// # Errors
/// The kernel's answer: EINVAL without seccomp, EACCES without no_new_privs, ESRCH when a
/// thread has a filter that this thread lacks.
pub fn install(stage: Stage) -> Result<Row, InstallError> {
    let [errno_flags, allow_flags] = stage.flags();
    for layer in stage.profile().layers {
        let flags = if layer.errno.is_some() { errno_flags } else { allow_flags };
        let program: Vec<_> = layer.for_pid(std::process::id()).iter().map(Insn::raw).collect();
        sys::seccomp_install(&program, flags)
            .map_err(|source| InstallError { stage: stage.profile().name, source })?;
    }
    let value = format!("{} calls, {} filters", count(stage), filters(stage));
    Ok(Row::yes(stage.row(), How::OwnWord, value))
}

impl Layer {
    fn for_pid(&self, pid: u32) -> Vec<Insn> {
        let program: Vec<_> = self.program.iter().map(|insn| insn.for_pid(pid)).collect();
        debug_assert_eq!(
            self.program.iter().filter(|insn| insn.k == PID_SLOT).count(),
            self.pid_slots
        );
        program
    }
}

impl Insn {
    fn for_pid(&self, pid: u32) -> Self {
        let k = if self.k == PID_SLOT { pid } else { self.k };
        Self { k, ..*self }
    }

    fn raw(&self) -> sys::SockFilter {
        sys::SockFilter { code: self.code, jt: self.jt, jf: self.jf, k: self.k }
    }
}
