//! What the kernel holds for every thread of a live worker, read with ptrace and taken apart here:
//! not what was meant to be installed, but what is.

use std::collections::BTreeSet;

use core_policy::seccomp::{self, Insn, Stage};
use core_tests::{
    harness::{Setup, processes},
    trace::Tracee,
};

use super::{ensure, ready};

/// Numbers that are looked at; the kernel has some 470.
const NUMBERS: u32 = 1024;
/// `AUDIT_ARCH_X86_64` and `AUDIT_ARCH_I386`, linux/audit.h.
const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
/// What marks a call of the x32 ABI.
const X32: u32 = 0x4000_0000;
/// `SECCOMP_RET_ALLOW`; `SECCOMP_RET_LOG` is the same but for a line.
const ALLOW: u32 = 0x7fff_0000;
/// The mission's bound on a serving worker.
const SERVE_MAX: usize = 20;

/// S01: the programs are the shipped ones, and together allow at most 20 numbers, on every thread.
pub(super) fn narrow() -> Setup<()> {
    for (tid, programs) in of_worker()? {
        let allowed: BTreeSet<u32> =
            (0..NUMBERS).filter(|nr| allowed(&programs, X86_64, *nr)).collect();
        ensure((1..=SERVE_MAX).contains(&allowed.len()), || format!("thread {tid}: {allowed:?}"))?;
    }
    Ok(())
}

/// S02: no call of the two other ABIs of the processor.
pub(super) fn other_abis_are_closed() -> Setup<()> {
    for (tid, programs) in of_worker()? {
        let x32 = (0..NUMBERS).filter(|nr| allowed(&programs, X86_64, nr | X32)).count();
        let i386 = (0..NUMBERS).filter(|nr| allowed(&programs, I386, *nr)).count();
        ensure(x32 + i386 == 0, || format!("thread {tid}: x32 {x32}, i386 {i386}"))?;
    }
    Ok(())
}

/// The filters of every thread of a fresh worker; the shipped programs are asserted on the way.
fn of_worker() -> Setup<Vec<(u32, Vec<Vec<Insn>>)>> {
    let (broker, worker) = ready()?;
    let own = |stage| seccomp::programs(stage, worker);
    let brokers = seccomp::programs(Stage::Broker, broker.pid());
    let shipped = [brokers, own(Stage::Load), own(Stage::Serve)].concat();
    let mut found = Vec::new();
    for tid in processes::tasks(worker) {
        let tracee = Tracee::seize_running(tid)?;
        let programs = tracee.filters()?;
        tracee.detach()?;
        ensure(programs == shipped, || format!("thread {tid}: not the programs that ship"))?;
        found.push((tid, programs));
    }
    ensure(found.len() > 1, || format!("{} threads; the engine has two", found.len()))?;
    Ok(found)
}

/// Whether any arguments at all let a call through every program.
fn allowed(programs: &[Vec<Insn>], arch: u32, nr: u32) -> bool {
    programs.iter().all(|program| may_allow(program, arch, nr))
}

/// Follows every path that some arguments could take: what depends on an argument goes both ways.
fn may_allow(program: &[Insn], arch: u32, nr: u32) -> bool {
    let mut open = vec![(0usize, None)];
    let mut seen = BTreeSet::new();
    while let Some((at, known)) = open.pop() {
        if !seen.insert((at, known)) {
            continue;
        }
        let insn = program[at];
        let (yes, no) = (at + 1 + usize::from(insn.jt), at + 1 + usize::from(insn.jf));
        let taken = |holds: Option<bool>| match holds {
            Some(true) => vec![(yes, known)],
            Some(false) => vec![(no, known)],
            None => vec![(yes, known), (no, known)],
        };
        let next = match insn.code {
            0x20 => vec![(at + 1, loaded(insn.k, arch, nr))],
            0x54 => vec![(at + 1, known.map(|value: u32| value & insn.k))],
            0x05 => vec![(at + 1 + insn.k as usize, known)],
            0x15 => taken(known.map(|value| value == insn.k)),
            0x25 => taken(known.map(|value| value > insn.k)),
            0x35 => taken(known.map(|value| value >= insn.k)),
            0x45 => taken(known.map(|value| value & insn.k != 0)),
            0x06 if insn.k == ALLOW => return true,
            0x06 => Vec::new(),
            // An instruction that is not understood here could do anything.
            _ => return true,
        };
        open.extend(next);
    }
    false
}

/// What a load gives: number and architecture are known, arguments could be anything.
fn loaded(offset: u32, arch: u32, nr: u32) -> Option<u32> {
    match offset {
        0 => Some(nr),
        4 => Some(arch),
        _ => None,
    }
}
