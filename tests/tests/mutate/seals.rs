//! Mutants of what the broker makes: each seal of each ring, and the limit that it sets from
//! outside, in the live broker. Its own assertion must refuse, or a look must find it.

use std::sync::atomic::{AtomicBool, Ordering};

use core_tests::{
    harness::{Broker, Setup},
    trace::{Call, Tracee, Verdict},
};
use nix::libc;

use crate::{
    Mutant,
    boot::{degraded, whole_degraded},
    report::Fate,
};

/// `F_ADD_SEALS`, and the names of its bits (linux/fcntl.h).
const ADD_SEALS: u64 = 1033;
const SEALS: [&str; 6] = ["SEAL", "SHRINK", "GROW", "WRITE", "FUTURE_WRITE", "EXEC"];
/// Rings of one process.
const RINGS: usize = 2;
/// `MFD_NOEXEC_SEAL` of memfd_create(2).
const NOEXEC_SEAL: u64 = 8;

/// Which call of its kind, and which of its bits.
#[derive(Clone, Copy)]
struct Place {
    nth: usize,
    bit: u32,
}

/// All mutants of a broker's calls around a start.
///
/// # Errors
/// A broker adds no seal.
pub(crate) fn all() -> Setup<Vec<Mutant>> {
    let broker = Broker::with_long()?;
    let mut added = Vec::new();
    let mut files = 0;
    around_a_start(&broker, forks, |_, call| {
        if adds_seals(call) {
            added.push(call.arguments[2]);
        }
        files += usize::from(makes_file(call));
        Verdict::Pass
    })?;
    let mut mutants = Vec::new();
    for (nth, seals) in added.iter().enumerate() {
        for bit in (0..u64::BITS).filter(|bit| seals >> bit & 1 == 1) {
            let seal = SEALS.get(bit as usize).copied().unwrap_or("unknown");
            let place = Place { nth, bit };
            mutants.push(Mutant::new(format!("seal/ring {nth} {seal}"), move || unsealed(place)));
        }
    }
    for nth in 0..files {
        mutants.push(Mutant::new(format!("seal/ring {nth} NOEXEC"), move || executable(nth)));
    }
    if mutants.is_empty() { Err("a broker adds no seal".into()) } else { Ok(mutants) }
}

/// One bit of one call is left out.
fn unsealed(place: Place) -> Setup<Fate> {
    edited(2, move |call| {
        let value = call.arguments[2] & !(1 << place.bit);
        adds_seals(call).then_some((place.nth, value))
    })
}

/// One ring may become executable.
fn executable(nth: usize) -> Setup<Fate> {
    edited(1, move |call| makes_file(call).then_some((nth, call.arguments[1] & !NOEXEC_SEAL)))
}

/// Loads a model while an argument of the nth call that `wanted` names is another value, for each
/// process that is started.
fn edited(argument: usize, wanted: impl Fn(Call) -> Option<(usize, u64)>) -> Setup<Fate> {
    let broker = Broker::with_long()?;
    let (mut seen, mut edits) = (0, 0);
    let loaded = around_a_start(
        &broker,
        |_| false,
        |tracee, call| {
            if let Some((nth, value)) = wanted(call) {
                if seen % RINGS == nth {
                    edits += usize::from(tracee.set_argument(argument, value).is_ok());
                }
                seen += 1;
            }
            Verdict::Pass
        },
    )?;
    if edits == 0 {
        return Err("no such call was made".into());
    }
    if let Some(refused) = loaded {
        return Ok(Fate::Killed(format!("refused: {refused}")));
    }
    let now = degraded(&broker);
    let told = now != *whole_degraded()?;
    Ok(if told { Fate::Killed(format!("degraded: {now:?}")) } else { Fate::Survived })
}

/// Loads a model while `judge` sees each call of the broker up to the `last`, or to the end of the
/// load; what was said when it did not load.
fn around_a_start(
    broker: &Broker,
    last: fn(Call) -> bool,
    mut judge: impl FnMut(&Tracee, Call) -> Verdict,
) -> Setup<Option<String>> {
    let tracee = Tracee::seize_running(broker.pid())?;
    let over = AtomicBool::new(false);
    let loaded: Setup<bool> = std::thread::scope(|scope| {
        let loading = scope.spawn(|| {
            let loaded = broker.corectl(&["load", "long"]).code == 0;
            // A broker that refuses does not fork: one more request gives the tracer a call.
            over.store(true, Ordering::SeqCst);
            broker.corectl(&["status"]);
            loaded
        });
        tracee.run_until(|call| {
            let verdict = judge(&tracee, call);
            let ends = last(call) || over.load(Ordering::SeqCst);
            if ends { Verdict::Hold } else { verdict }
        })?;
        tracee.detach()?;
        loading.join().map_err(|_| "the thread that loads panicked".into())
    });
    let loaded: bool = loaded?;
    let log = broker.log();
    let last = log.lines().rev().find(|line| line.contains("ring")).unwrap_or("it does not load");
    Ok((!loaded).then(|| last.to_owned()))
}

/// A process, and no thread.
fn forks(call: Call) -> bool {
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let clones = call.number == libc::SYS_clone.cast_unsigned() && call.arguments[0] & thread == 0;
    clones || call.number == libc::SYS_fork.cast_unsigned()
}

fn adds_seals(call: Call) -> bool {
    call.number == libc::SYS_fcntl.cast_unsigned() && call.arguments[1] == ADD_SEALS
}

fn makes_file(call: Call) -> bool {
    call.number == libc::SYS_memfd_create.cast_unsigned()
}
