use core_wire::client::deaths::DeathCause;

use super::*;
use crate::workers::cause::Cause;

fn death(cause: DeathCause, pid: u32) -> LastDeath {
    let (name, model, reason) = ("WORKER_LOST".into(), "m".into(), "it ended".into());
    LastDeath { cause, code: 40, name, model, pid, reason, at_ms: 1 }
}

#[test]
fn each_cause_is_counted_and_its_last_death_kept() {
    let mut deaths = Deaths::default();
    for (pid, cause) in
        (1..).zip([DeathCause::Killed, DeathCause::Policy, DeathCause::Killed, DeathCause::Hung])
    {
        deaths.note(death(cause, pid));
    }
    let counts = DeathCounts { killed: 2, policy: 1, hung: 1, ..DeathCounts::default() };
    assert_eq!(deaths.counts, counts);
    let last: Vec<_> = deaths.last().iter().map(|death| (death.cause, death.pid)).collect();
    assert_eq!(last, [(DeathCause::Policy, 2), (DeathCause::Hung, 4), (DeathCause::Killed, 3)]);
}

#[test]
fn what_is_kept_is_bounded_by_the_causes() {
    let mut deaths = Deaths::default();
    for pid in 0..1_000 {
        DeathCause::ALL.iter().for_each(|&cause| deaths.note(death(cause, pid)));
    }
    assert_eq!(deaths.last().len(), DeathCause::ALL.len());
    assert!(deaths.last().iter().all(|death| death.pid == 999));
}

#[test]
fn a_worker_that_was_not_ready_tells_nothing_of_those_that_serve() {
    let cases = [
        (Cause::Exit, DeathCause::Exit, DeathCause::Load),
        (Cause::Hung, DeathCause::Hung, DeathCause::Load),
        (Cause::Segfault, DeathCause::Segfault, DeathCause::Segfault),
        (Cause::Policy, DeathCause::Policy, DeathCause::Policy),
        (Cause::Memory, DeathCause::Memory, DeathCause::Memory),
        (Cause::Changed, DeathCause::Bus, DeathCause::Bus),
    ];
    for (cause, served, loading) in cases {
        assert_eq!(cause.counted(Readiness::Reached), Some(served));
        assert_eq!(cause.counted(Readiness::Not), Some(loading));
    }
    assert_eq!(Cause::Asked.counted(Readiness::Reached), None);
    assert_eq!(Cause::Asked.counted(Readiness::Not), None);
}
