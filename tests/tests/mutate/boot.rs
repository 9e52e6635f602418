//! Mutants of the lockdown's steps: each is answered in the kernel's place and not made, in the
//! real worker of the real broker. The worker's own check, the broker's look, the looks of the
//! conformance suite or the list of what is missing must notice.

use std::{sync::OnceLock, time::Duration};

use core_tests::{
    harness::{Bench, Broker, Install, Setup, Stage, layers::installs_filter, processes},
    trace::{Call, Tracee},
};
use nix::{libc, sys::signal::Signal};

use crate::{
    Mutant, VARIANT,
    live::{
        look::{LOOKS, Subject},
        rights,
    },
    report::Fate,
    started,
};

/// How long a worker may outlive its broker.
const ORPHAN_MAX: Duration = Duration::from_secs(1);

/// A step: its name, and which calls make it.
type Step = (&'static str, fn(&Tracee, Call) -> bool);

const STEPS: [Step; 26] = [
    ("limit FSIZE", |_, call| limits(call, libc::RLIMIT_FSIZE)),
    ("limit CORE", |_, call| limits(call, libc::RLIMIT_CORE)),
    ("limit NOFILE", |_, call| limits(call, libc::RLIMIT_NOFILE)),
    ("limit MEMLOCK", |_, call| limits(call, libc::RLIMIT_MEMLOCK)),
    ("limit STACK", |_, call| limits(call, libc::RLIMIT_STACK)),
    ("limit MSGQUEUE", |_, call| limits(call, libc::RLIMIT_MSGQUEUE)),
    ("limit RTPRIO", |_, call| limits(call, libc::RLIMIT_RTPRIO)),
    ("limit NICE", |_, call| limits(call, libc::RLIMIT_NICE)),
    ("limit NPROC", |_, call| limits(call, libc::RLIMIT_NPROC)),
    ("the broker's death", |_, call| option(call, libc::PR_SET_PDEATHSIG)),
    ("a session of its own", |_, call| is(call, libc::SYS_setsid)),
    ("umask", |_, call| is(call, libc::SYS_umask)),
    ("other descriptors close", |_, call| is(call, libc::SYS_close_range)),
    ("the rings are sealed in place", |_, call| is(call, MSEAL)),
    ("all namespaces", |_, call| is(call, libc::SYS_unshare)),
    ("the bounding set", |_, call| option(call, libc::PR_CAPBSET_DROP)),
    ("the ambient set", |_, call| option(call, libc::PR_CAP_AMBIENT)),
    ("the other three sets", |_, call| is(call, libc::SYS_capset)),
    ("first for the kernel", is_oom),
    ("no_new_privs", |_, call| option(call, libc::PR_SET_NO_NEW_PRIVS)),
    ("no executable memory", |_, call| option(call, libc::PR_SET_MDWE)),
    ("the domain", |_, call| is(call, libc::SYS_landlock_restrict_self)),
    ("not dumpable", |_, call| option(call, libc::PR_SET_DUMPABLE)),
    ("any filter", |_, call| installs_filter(call)),
    ("the LOAD filters", |_, call| installs_filter(call) && call.arguments[1] == 0),
    ("the SERVE filter", |_, call| installs_filter(call) && call.arguments[1] == 1),
];

/// Namespaces that are left out one at a time.
const NAMESPACES: [(&str, i32); 5] = [
    ("user", libc::CLONE_NEWUSER),
    ("net", libc::CLONE_NEWNET),
    ("ipc", libc::CLONE_NEWIPC),
    ("uts", libc::CLONE_NEWUTS),
    ("cgroup", libc::CLONE_NEWCGROUP),
];

/// `mseal`, Linux 6.10.
const MSEAL: i64 = 462;
/// What a worker writes to be the kernel's first choice.
const OOM_FIRST: &[u8] = b"1000";

/// All mutants of a worker's boot.
pub(crate) fn all() -> Vec<Mutant> {
    let steps = STEPS.into_iter().map(|(name, makes)| {
        Mutant::new(format!("boot/{name}"), move || {
            tried(&mut |tracee, call, made| {
                let skipped = makes(tracee, call).then_some(0);
                *made += usize::from(skipped.is_some());
                skipped
            })
        })
    });
    let namespaces = NAMESPACES.into_iter().map(|(name, flag)| {
        Mutant::new(format!("boot/namespace {name}"), move || tried(&mut shares(flag)))
    });
    steps.chain(namespaces).collect()
}

/// Takes one flag out of every unshare.
fn shares(flag: i32) -> impl FnMut(&Tracee, Call, &mut usize) -> Option<i64> {
    let flag = u64::from(flag.cast_unsigned());
    move |tracee, call, made| {
        if is(call, libc::SYS_unshare) {
            let left = call.arguments[0] & !flag;
            *made += usize::from(tracee.set_argument(0, left).is_ok());
        }
        None
    }
}

/// What answers a call in the kernel's place, and counts how often it changed one.
type Skip<'a> = dyn FnMut(&Tracee, Call, &mut usize) -> Option<i64> + 'a;

fn tried(skip: &mut Skip<'_>) -> Setup<Fate> {
    let mut broker = raised()?;
    let before = whole_degraded()?;
    let mut made = 0;
    let loaded = started::load(&broker, &mut |tracee, call| skip(tracee, call, &mut made))?;
    if made == 0 {
        return Err("no such call was made".into());
    }
    let worker = match loaded {
        Ok(worker) => worker,
        Err(error) => return Ok(Fate::Killed(format!("refused: {error}"))),
    };
    let now = degraded(&broker);
    if now != *before {
        return Ok(Fate::Killed(format!("degraded: {now:?}, not {before:?}")));
    }
    let subject = Subject { worker, broker: broker.pid() };
    for (row, look) in LOOKS {
        if let Err(error) = look(subject) {
            return Ok(Fate::Killed(format!("{row}: {error}")));
        }
    }
    if let Err(error) = rights::rings_are_fixed(worker) {
        return Ok(Fate::Killed(format!("H08: {error}")));
    }
    match outlives(&mut broker, worker)? {
        Fate::Survived => alone(skip),
        killed => Ok(killed),
    }
}

/// A worker on the bench: what a broker hands down by inheritance it does not have.
fn alone(skip: &mut Skip<'_>) -> Setup<Fate> {
    let install = Install::new()?;
    let model = install.add_long()?;
    let bench = Bench { install: &install, variant: VARIANT };
    let edit = &mut |tracee: &Tracee, call| skip(tracee, call, &mut 0);
    let red = match bench.hold_edited(&model, Stage::Landlock, edit) {
        Ok(held) => rights::memory_is_denied(&held.tracee),
        Err(error) => Err(error),
    };
    Ok(red.err().map_or(Fate::Survived, |error| Fate::Killed(format!("alone: {error}"))))
}

/// A broker that inherits more than any worker may keep, so that each limit is the worker's doing.
fn raised() -> Setup<Broker> {
    let install = Install::new()?;
    install.add_long()?;
    let wrapper = ["/bin/bash", "-c", RAISED, "raised"].map(str::to_owned);
    Broker::start_behind(&wrapper, install, &[])
}

/// Realtime priority and nice, which are 0 on most systems anyway, and a descriptor that stays open
/// over every exec: whatever starts this run may have closed its own.
const RAISED: &str = r#"ulimit -r 5 -e 5 2>/dev/null; exec 77</dev/null; exec "$@""#;

/// L01: nobody outlives a broker that is killed.
fn outlives(broker: &mut Broker, worker: u32) -> Setup<Fate> {
    broker.signal(Signal::SIGKILL);
    broker.wait().ok_or("the broker does not end")?;
    let gone = || (!processes::alive(worker)).then_some(());
    if processes::wait_for(ORPHAN_MAX, gone).is_some() {
        return Ok(Fate::Survived);
    }
    let pid = nix::unistd::Pid::from_raw(worker.cast_signed());
    nix::sys::signal::kill(pid, Signal::SIGKILL)?;
    Ok(Fate::Killed("L01: it outlives its broker".into()))
}

/// What is missing on this machine anyway, with a whole worker.
pub(crate) fn whole_degraded() -> Setup<&'static Vec<String>> {
    static WHOLE: OnceLock<Vec<String>> = OnceLock::new();
    if WHOLE.get().is_none() {
        let broker = Broker::with_long()?;
        broker.try_load("long")?;
        let _ = WHOLE.set(degraded(&broker));
    }
    Ok(WHOLE.get().ok_or("no whole worker was asked about")?)
}

/// What `status` says is missing.
pub(crate) fn degraded(broker: &Broker) -> Vec<String> {
    let status = broker.corectl(&["status"]);
    let worker = status.lines.first().map(|line| &line["workers"][0]["sandbox"]["degraded"]);
    let found = worker.and_then(|list| list.as_array().cloned());
    let mut words: Vec<String> =
        found.unwrap_or_default().iter().map(ToString::to_string).collect();
    words.sort();
    words.dedup();
    words
}

fn is(call: Call, number: i64) -> bool {
    call.number == number.cast_unsigned()
}

fn option(call: Call, option: i32) -> bool {
    is(call, libc::SYS_prctl) && call.arguments[0] == u64::from(option.cast_unsigned())
}

fn limits(call: Call, resource: libc::__rlimit_resource_t) -> bool {
    let [_, which, new, ..] = call.arguments;
    is(call, libc::SYS_prlimit64) && which == u64::from(resource) && new != 0
}

fn is_oom(tracee: &Tracee, call: Call) -> bool {
    let [_, at, len, ..] = call.arguments;
    is(call, libc::SYS_write)
        && len == OOM_FIRST.len() as u64
        && tracee.read(at, OOM_FIRST.len()).is_ok_and(|bytes| bytes == OOM_FIRST)
}
