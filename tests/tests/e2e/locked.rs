//! A worker that is killed after it said that it is locked down, before the broker could look: that
//! is a kill as any other, and no missing protection.

use std::process::{Child, Stdio};

use core_policy::fds;
use core_tests::{
    harness::{Broker, Setup},
    trace::{Tracee, Verdict},
};
use nix::{
    libc,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Whom a load starts: an inspector, and the worker.
const CHILDREN: usize = 2;

#[test]
fn who_is_killed_between_locked_and_the_look_is_started_again() {
    if !crate::limits::is_root() {
        return;
    }
    for killed in 0..CHILDREN {
        let broker = Broker::with_long().expect("a broker");
        load(&broker, killed).unwrap_or_else(|error| panic!("{error}\n{}", broker.log()));
        assert!(broker.worker("long").is_some(), "{}", broker.log());
        assert_eq!(broker.corectl(&["audit"]).code, 0, "nothing required is missing");
    }
}

/// Loads the model and kills that child on the way.
fn load(broker: &Broker, killed: usize) -> Setup<()> {
    let held = Tracee::seize_forking(broker.pid())?;
    let command = &mut broker.corectl_command(&["load", "long"]);
    let mut loading = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    held.resume()?;
    let mut children = 0;
    while let Some(child) = held.next_child(|| is_over(&mut loading))? {
        held.resume()?;
        match children == killed {
            true => kill_at_locked(&held, &child)?,
            false => child.detach()?,
        }
        children += 1;
    }
    held.release()?;
    let output = loading.wait_with_output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(children > CHILDREN, "{children} were started, one of them in the place of another");
    Ok(())
}

fn is_over(loading: &mut Child) -> bool {
    loading.try_wait().is_ok_and(|end| end.is_some())
}

/// Lets a child ring for its LOCKED while the broker stands still, and kills it.
fn kill_at_locked(broker: &Tracee, child: &Tracee) -> Setup<()> {
    let mut in_domain = false;
    child.run_until(|call| {
        in_domain |= call.number == libc::SYS_landlock_restrict_self.cast_unsigned();
        let rings = call.number == libc::SYS_write.cast_unsigned()
            && call.arguments[0] == u64::from(fds::BELL.cast_unsigned());
        match in_domain && rings {
            true => broker.pause().map_or(Verdict::Pass, |()| Verdict::Hold),
            false => Verdict::Pass,
        }
    })?;
    kill(Pid::from_raw(child.pid().cast_signed()), Signal::SIGKILL)?;
    let end = child.run_until(|_| Verdict::Pass);
    assert!(end.is_err(), "it was killed");
    broker.resume()
}
