//! The filters of each profile: what they list, their hash, and how they are installed.
//!
//! A filter is several programs, because one program has one answer for a match: first those that
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
use crate::profile::Profile;
use crate::report::{How, Name, Row, layer};
use crate::sys;

include!(concat!(env!("OUT_DIR"), "/filters.rs"));

/// When a filter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// While a worker parses its model.
    Load,
    /// While a worker reads prompts; stacked on [`Stage::Load`].
    Serve,
    /// The broker, and by inheritance every worker.
    Broker,
}

/// A stage under a profile. A bare [`Stage`] means the CPU profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    stage: Stage,
    profile: Profile,
}

/// One compiled filter.
struct Compiled {
    name: &'static str,
    syscalls: &'static [&'static str],
    layers: &'static [Layer],
}

/// One program of a filter.
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

impl From<Stage> for Filter {
    fn from(stage: Stage) -> Self {
        stage.under(Profile::Cpu)
    }
}

impl Filter {
    fn compiled(self) -> &'static Compiled {
        match (self.profile, self.stage) {
            (Profile::Cpu, Stage::Load) => &LOAD,
            (Profile::Cpu, Stage::Serve) => &SERVE,
            (Profile::Cpu, Stage::Broker) => &BROKER,
            (Profile::Gpu, Stage::Load) => &GPU_LOAD,
            (Profile::Gpu, Stage::Serve) => &GPU_SERVE,
            (Profile::Gpu, Stage::Broker) => &GPU_BROKER,
        }
    }
}

impl Stage {
    /// The filter of this stage under a profile.
    pub fn under(self, profile: Profile) -> Filter {
        Filter { stage: self, profile }
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

/// Name of the filter's file in policy/seccomp, without the suffix.
pub fn name(filter: impl Into<Filter>) -> &'static str {
    filter.into().compiled().name
}

/// How many system calls the filter lists; for [`Stage::Load`] with those of SERVE.
pub fn count(filter: impl Into<Filter>) -> usize {
    filter.into().compiled().syscalls.len()
}

/// The names that the filter lists, sorted.
pub fn syscalls(filter: impl Into<Filter>) -> &'static [&'static str] {
    filter.into().compiled().syscalls
}

/// How many programs [`install`] adds, each of which /proc/PID/status counts as a filter.
pub fn filters(filter: impl Into<Filter>) -> usize {
    filter.into().compiled().layers.len()
}

/// How many filters a worker at READY has beyond the broker's own; the same under each profile.
pub fn worker_filters() -> usize {
    filters(Stage::Load) + filters(Stage::Serve)
}

/// SHA-256, in hexadecimal, of a filter as shipped: for each program the number of instructions and
/// the instructions, all little-endian, with the pid still open.
pub fn filter_sha256(filter: impl Into<Filter>) -> String {
    let mut hash = Sha256::new();
    for layer in filter.into().compiled().layers {
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
pub fn content(profile: Profile) -> Row {
    let value = format!(
        "shipped: load {:.12} serve {:.12}",
        filter_sha256(Stage::Load.under(profile)),
        filter_sha256(Stage::Serve.under(profile))
    );
    Row::yes(layer::SECCOMP_CONTENT, How::Suite, value)
}

/// The programs of a filter as the process `pid` installs them, for [`install`] and for tests that
/// compare them with what the kernel holds.
pub fn programs(filter: impl Into<Filter>, pid: u32) -> Vec<Vec<Insn>> {
    filter.into().compiled().layers.iter().map(|layer| layer.for_pid(pid)).collect()
}

/// Installs a filter on this process; SERVE on all of its threads.
///
/// Call it for SERVE when every thread is parked: the kernel changes the threads while they run,
/// and one that is still starting dies on a call that SERVE lacks.
///
/// # Errors
/// The kernel's answer: EINVAL without seccomp, EACCES without no_new_privs, ESRCH when a
/// thread has a filter that this thread lacks.
pub fn install(filter: impl Into<Filter>) -> Result<Row, InstallError> {
    let filter = filter.into();
    let (stage, compiled) = (filter.stage, filter.compiled());
    let [errno_flags, allow_flags] = stage.flags();
    for layer in compiled.layers {
        let flags = if layer.errno.is_some() { errno_flags } else { allow_flags };
        let program: Vec<_> = layer.for_pid(std::process::id()).iter().map(Insn::raw).collect();
        sys::seccomp_install(&program, flags)
            .map_err(|source| InstallError { stage: compiled.name, source })?;
    }
    let value = format!("{} calls, {} filters", count(filter), filters(filter));
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
