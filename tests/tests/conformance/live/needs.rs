//! S10: calls that a worker makes on some machines or at some moments only, so that no run here
//! would miss them: the filters let them pass. A rule that went missing would show on a user's
//! machine.

use std::path::Path;

use core_tests::{
    harness::{Bench, Setup, Stage, processes},
    trace::{Arg, Outcome, Tracee},
};
use nix::{libc, sys::signal::Signal};

use super::{ensure, ready};
use crate::{VARIANT, skip::needs_root, world::World};

/// Who needs it, the call's number, its arguments.
type Need = (&'static str, i64, Vec<Arg>);

/// `ARCH_REQ_XCOMP_PERM` of arch_prctl(2), and the number of the tiles' data.
const XCOMP: [u64; 2] = [0x1023, 18];
/// `MADV_GUARD_INSTALL`, Linux 6.13.
const GUARD_INSTALL: u64 = 102;

/// At both stages.
pub(crate) fn of_a_worker() -> Setup<()> {
    needs_root("ptrace of a worker")?;
    let world = World::new()?;
    let install = world.install();
    let bench = Bench { install: &install, variant: VARIANT };
    for stage in [Stage::Load, Stage::Serve] {
        let held = bench.hold_edited(Path::new(&world.model), stage, &mut |_, _| None)?;
        are_met(&held.tracee, stage)?;
    }
    Ok(())
}

/// Of a live broker.
pub(crate) fn of_a_broker() -> Setup<()> {
    needs_root("ptrace of a broker")?;
    let (broker, _) = ready()?;
    let tracee = Tracee::seize_running(broker.pid())?;
    of_broker_are_met(&tracee)?;
    tracee.detach()
}

/// That none of a broker's calls, and none that a worker makes before its own filters, is refused.
pub(crate) fn of_broker_are_met(broker: &Tracee) -> Setup<()> {
    for (who, number, arguments) in by_the_brokers_filter() {
        let outcome = broker.inject(number.cast_unsigned(), &arguments)?;
        let refused = outcome == Outcome::Returned(-i64::from(libc::EPERM));
        let passed = matches!(outcome, Outcome::Returned(_)) && !refused;
        ensure(passed, || format!("the filter refuses {who}: {outcome:?}"))?;
    }
    Ok(())
}

/// That none of the calls dies of a filter.
pub(crate) fn are_met(tracee: &Tracee, stage: Stage) -> Setup<()> {
    let loading = if stage == Stage::Load { while_loading() } else { Vec::new() };
    for (who, number, arguments) in loading.into_iter().chain(always()) {
        let outcome = tracee.inject(number.cast_unsigned(), &arguments)?;
        let killed = outcome == Outcome::Killed(Signal::SIGSYS);
        ensure(!killed, || format!("at {stage:?} a filter ends {who}"))?;
    }
    if stage == Stage::Serve { ends_are_met(tracee) } else { Ok(()) }
}

/// A thread of the team that ends alone, and last a return from a handler, which finds no frame
/// here: the process ends, and not by a filter.
fn ends_are_met(tracee: &Tracee) -> Setup<()> {
    let worker = tracee.pid();
    let member = processes::tasks(worker).into_iter().find(|tid| *tid != worker);
    let member = Tracee::seize_running(member.ok_or("the engine has one thread")?)?;
    let ended = member.end_by_call(libc::SYS_exit.cast_unsigned(), &[Arg::Num(0)])?;
    ensure(ended == Outcome::Exited(0), || format!("a thread that ends: {ended:?}"))?;
    let returned = tracee.end_by_call(libc::SYS_rt_sigreturn.cast_unsigned(), &[])?;
    let filtered = returned == Outcome::Killed(Signal::SIGSYS);
    ensure(!filtered, || "a filter ends the return from a handler".into())
}

fn always() -> Vec<Need> {
    let (now, moment) = (vec![num(1), Arg::Bytes(vec![0; 16])], vec![0; 16]);
    let sleep = vec![num(1), num(0), Arg::Bytes(moment), num(0)];
    let grow = [0, 0, 4096, u64::from(libc::MREMAP_MAYMOVE.cast_unsigned())].map(Arg::Num);
    vec![
        ("a clock source that the vDSO cannot read", libc::SYS_clock_gettime, now),
        ("the wait for a ring that is full", libc::SYS_clock_nanosleep, sleep),
        ("a processor with AMX", libc::SYS_arch_prctl, XCOMP.map(num).to_vec()),
        ("a team that has more threads than cores", libc::SYS_sched_yield, vec![]),
        ("a large buffer that grows", libc::SYS_mremap, grow.to_vec()),
        ("a wait that was interrupted", libc::SYS_restart_syscall, vec![]),
    ]
}

fn while_loading() -> Vec<Need> {
    let guard = [0, 4096, GUARD_INSTALL].map(Arg::Num);
    vec![
        ("glibc 2.39 and later", libc::SYS_fstat, vec![num(2), Arg::Bytes(vec![0; 256])]),
        ("a C library that guards stacks by advice", libc::SYS_madvise, guard.to_vec()),
        ("a debug build", libc::SYS_fcntl, vec![num(2), num(1)]),
    ]
}

fn by_the_brokers_filter() -> Vec<Need> {
    vec![
        ("glibc 2.39 and later", libc::SYS_fstat, vec![num(2), Arg::Bytes(vec![0; 256])]),
        ("the last words of the dynamic linker", libc::SYS_writev, vec![num(2), num(0), num(0)]),
    ]
}

fn num(value: u64) -> Arg {
    Arg::Num(value)
}
