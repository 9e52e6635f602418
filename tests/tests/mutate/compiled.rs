//! The policy files, changed in one place and compiled as the build does: which program stands in
//! the place of which.

use std::{cell::Cell, collections::HashMap, fs};

use core_policy::seccomp::{self, Insn, Stage};
use core_tests::{
    harness::{Setup, layers::installs_filter},
    trace::{Call, Tracee},
};

use crate::{compile, schema::Policy};

/// The files of the CPU profile. The GPU profile runs on no test machine.
pub(crate) const FILES: [&str; 3] = ["worker-serve", "worker-load", "broker"];
/// Bytes of one instruction.
const INSN_BYTES: usize = 8;

/// The three files, in the order of [`FILES`].
pub(crate) type Policies = [Policy; 3];

/// A program as a process hands it to the kernel.
type Program = Vec<u8>;

/// What stands in the place of each program that ships.
pub(crate) struct Swap {
    programs: HashMap<Program, Program>,
    /// How often one was replaced: a mutant that never was is none.
    replaced: Cell<usize>,
}

/// Reads the files.
///
/// # Errors
/// One cannot be read or is no policy.
pub(crate) fn policies() -> Setup<Policies> {
    let read = |name: &str| -> Setup<Policy> {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../policy/seccomp");
        Ok(serde_json::from_str(&fs::read_to_string(format!("{dir}/{name}.json"))?)?)
    };
    Ok([read(FILES[0])?, read(FILES[1])?, read(FILES[2])?])
}

/// Every program of every stage, with the pid still open.
fn programs([serve, load, broker]: &Policies) -> Setup<Vec<Program>> {
    let mut all = Vec::new();
    for policy in [serve, &compile::merge(load, serve), broker] {
        for layer in compile::layers(policy)? {
            let bytes = layer.program.iter().flat_map(|insn| {
                [&insn.code.to_le_bytes()[..], &[insn.jt, insn.jf], &insn.k.to_le_bytes()].concat()
            });
            all.push(bytes.collect());
        }
    }
    Ok(all)
}

impl Swap {
    /// Compiles both, and answers what differs.
    ///
    /// # Errors
    /// The changed policy compiles to other programs than one for each that ships.
    pub(crate) fn new(shipped: &Policies, changed: &Policies) -> Setup<Self> {
        let (before, after) = (programs(shipped)?, programs(changed)?);
        if before.len() != after.len() {
            return Err("the change adds or removes a whole program".into());
        }
        let pairs = before.into_iter().zip(after).filter(|(before, after)| before != after);
        let swap = Self { programs: pairs.collect(), replaced: Cell::new(0) };
        if swap.programs.is_empty() {
            return Err("the change makes no difference to any program".into());
        }
        Ok(swap)
    }

    /// That some process ran with another program.
    ///
    /// # Errors
    /// None did, so whatever was seen says nothing.
    pub(crate) fn was_made(&self) -> Setup<()> {
        if self.replaced.get() > 0 { Ok(()) } else { Err("no program was replaced".into()) }
    }

    /// Replaces the program that a call is about to install, when it is one of those that differ.
    /// A changed program is never longer, so it fits where the other one is.
    pub(crate) fn edit(&self, tracee: &Tracee, call: Call) -> Option<i64> {
        if !installs_filter(call) {
            return None;
        }
        self.replace(tracee, call.arguments[2]).err().map(|_| REFUSED)
    }

    fn replace(&self, tracee: &Tracee, at: u64) -> Setup<()> {
        let header = tracee.read(at, 16)?;
        let count = u16::from_le_bytes([header[0], header[1]]);
        let at_program = u64::from_le_bytes(header[8..16].try_into()?);
        let program = tracee.read(at_program, usize::from(count) * INSN_BYTES)?;
        let Some(changed) = self.programs.get(&with_slot(program, tracee.pid())) else {
            return Ok(());
        };
        let len = u16::try_from(changed.len() / INSN_BYTES)?;
        if len > count {
            return Err("a changed program is longer than the one that ships".into());
        }
        tracee.write(at_program, &with_pid(changed.clone(), tracee.pid()))?;
        tracee.write(at, &len.to_le_bytes())?;
        self.replaced.set(self.replaced.get() + 1);
        Ok(())
    }
}

/// An errno that nothing answers to this call: EBADF. A program that could not be replaced must not
/// pass for one that was.
const REFUSED: i64 = -9;

/// A program with the pid taken out; no constant of any policy is as small as a pid and compared
/// with the first argument of `tgkill`, but some are: only the slot's own place counts, so the
/// shipped program with this pid is what is looked for.
fn with_slot(program: Program, pid: u32) -> Program {
    let stages = [Stage::Serve, Stage::Load, Stage::Broker];
    let shipped = stages.into_iter().flat_map(|stage| {
        seccomp::programs(stage, pid).into_iter().zip(seccomp::programs(stage, compile::PID_SLOT))
    });
    let mut found = shipped.filter(|(own, _)| bytes(own) == program);
    found.next().map_or(program, |(_, open)| bytes(&open))
}

fn with_pid(program: Program, pid: u32) -> Program {
    let mut filled = program;
    for insn in filled.chunks_exact_mut(INSN_BYTES) {
        if insn[4..] == compile::PID_SLOT.to_le_bytes() {
            insn[4..].copy_from_slice(&pid.to_le_bytes());
        }
    }
    filled
}

fn bytes(program: &[Insn]) -> Program {
    let insns = program.iter().map(|insn| {
        [&insn.code.to_le_bytes()[..], &[insn.jt, insn.jf], &insn.k.to_le_bytes()].concat()
    });
    insns.collect::<Vec<_>>().concat()
}
