//! Mutants of the policy files, tried on what ships: each rule deleted, each alternative of a rule,
//! and each condition of each alternative dropped.
//!
//! A rule that is deleted takes a call away: what must work has to stop working. A condition that
//! is dropped gives something: an attack of the conformance suite has to get through. A rule of
//! SERVE is a rule of LOAD too, because that includes it; both change, as they would in the file.
//!
//! A broker's filter answers EPERM to what it does not list, and libraries swallow that. So a
//! broker that lacks a rule dies of the call instead: none that is refused goes unseen. With every
//! rule it lives, which is tried first.

use std::{path::Path, rc::Rc};

use core_tests::{
    harness::{Bench, Broker, Install, Setup, Stage},
    trace::{Outcome, Tracee},
};
use nix::sys::signal::Signal;

use crate::{
    Mutant, Shared, VARIANT, alive,
    attack::Attack,
    changes::{Change, changes},
    compiled::{FILES, Policies, Swap, policies},
    live::{
        abort_of,
        look::{self, Subject},
        needs, rights,
    },
    names,
    report::Fate,
    rows,
    schema::Default,
    started,
    world::World,
};

/// The broker's place in [`FILES`].
const BROKER: usize = 2;

/// All mutants of the three files.
///
/// # Errors
/// A file cannot be read, or a change does not compile.
pub(crate) fn all(world: &Shared) -> Setup<Vec<Mutant>> {
    let shipped = policies()?;
    control(&shipped)?;
    let mut mutants = Vec::new();
    for file in 0..FILES.len() {
        for (what, changed) in changes(&shipped[file]) {
            let mut policies: Policies = shipped.clone();
            policies[file] = changed;
            let swap = Swap::new(&shipped, &policies)
                .map_err(|error| format!("{}/{}: {error}", FILES[file], what.text()))?;
            let id = format!("filter/{}/{}", FILES[file], what.text());
            let world = Rc::clone(world);
            mutants.push(Mutant::new(id, move || what.tried(file, &swap, &mut world.borrow_mut())));
        }
    }
    Ok(mutants)
}

/// A broker that dies of the first call that is refused passes everything.
fn control(shipped: &Policies) -> Setup<()> {
    let mut strict = shipped.clone();
    strict[BROKER].default = Default::KillProcess;
    match without_in_broker(&Swap::new(shipped, &strict)?)? {
        Fate::Survived => Ok(()),
        Fate::Killed(error) => Err(format!("a broker that lacks no rule: {error}").into()),
    }
}

impl Change {
    fn tried(&self, file: usize, swap: &Swap, world: &mut World) -> Setup<Fate> {
        let fate = match (file, self) {
            (BROKER, Self::Deleted(_) | Self::Narrowed(..)) => without_in_broker(swap),
            (BROKER, Self::Answers(..) | Self::Dropped(..)) => open_in_broker(swap),
            (_, Self::Deleted(call) | Self::Narrowed(call, _)) => without(call, swap, world),
            (_, Self::Answers(call, _) | Self::Dropped(call, _)) => open(call, swap, world),
        }?;
        swap.was_made()?;
        Ok(fate)
    }
}

/// A worker that lacks a call: it does not serve, or it does not end as it should.
fn without(call: &str, swap: &Swap, world: &mut World) -> Setup<Fate> {
    let broker = Broker::with_long()?;
    let loaded = started::load(&broker, &mut |tracee, call| swap.edit(tracee, call))?;
    if let Err(error) = loaded.and_then(|worker| alive::alive(&broker, worker)) {
        return Ok(Fate::Killed(format!("S10: {error}")));
    }
    drop(broker);
    let install = world.install();
    let bench = Bench { install: &install, variant: VARIANT };
    let hold = |stage| {
        let edit = &mut |tracee: &Tracee, call| swap.edit(tracee, call);
        bench.hold_edited(Path::new(&world.model), stage, edit)
    };
    for stage in [Stage::Load, Stage::Serve] {
        if let Err(error) = needs::are_met(&hold(stage)?.tracee, stage) {
            return Ok(Fate::Killed(format!("S10: {error}")));
        }
    }
    let held = hold(Stage::Serve)?;
    let outcome = held.tracee.end_by_jump(abort_of(held.tracee.pid())?, &[])?;
    if outcome != Outcome::Killed(Signal::SIGABRT) {
        return Ok(Fate::Killed(format!("P27: abort() ends by {outcome:?}")));
    }
    // Rows that expect an errno see that the call is gone.
    open(call, swap, world)
}

/// A worker that may do more: an attack by this call is not denied as it should be.
fn open(call: &str, swap: &Swap, world: &mut World) -> Setup<Fate> {
    let number = names::syscall(call).ok_or("a rule without a number")?;
    let attacks = rows::all(world).into_iter().filter(|attack| attack.number == number);
    for attack in attacks.collect::<Vec<_>>() {
        if let Some(red) = denied(&attack, swap, world)? {
            return Ok(Fate::Killed(red));
        }
    }
    Ok(Fate::Survived)
}

fn denied(attack: &Attack, swap: &Swap, world: &mut World) -> Setup<Option<String>> {
    let (install, model) = (world.install(), world.model.clone());
    let bench = Bench { install: &install, variant: VARIANT };
    let stages = [(Stage::Load, attack.load), (Stage::Serve, Some(attack.serve))];
    for (stage, expect) in stages {
        let Some(expect) = expect else { continue };
        world.reset()?;
        let edit = &mut |tracee: &Tracee, call| swap.edit(tracee, call);
        let held = bench.hold_edited(Path::new(&model), stage, edit)?;
        if let Err(error) = attack.denied_by(&held, world, stage, expect) {
            return Ok(Some(format!("{}: {}: {error}", attack.row, attack.what)));
        }
    }
    Ok(None)
}

/// A broker that lacks a call: it does not start, or its worker does not serve.
fn without_in_broker(swap: &Swap) -> Setup<Fate> {
    let install = Install::new()?;
    install.add_long()?;
    let broker = started::broker(install, &mut |tracee, call| swap.edit(tracee, call))?;
    let served = broker.and_then(|mut broker| {
        let worker = broker.try_load("long")?;
        look::namespaces_of(Subject { worker, broker: broker.pid() })?;
        alive::alive(&broker, worker)?;
        let worker = broker.try_load("long")?;
        alive::is_replaced(&broker, worker)?;
        needs_are_met(&broker)?;
        alive::ends(&mut broker)
    });
    Ok(served.err().map_or(Fate::Survived, |error| Fate::Killed(format!("S10: {error}"))))
}

/// What only some machines or moments need, of a broker and of workers that inherit its filter.
fn needs_are_met(broker: &Broker) -> Setup<()> {
    let worker = Tracee::seize_running(broker.try_load("long")?)?;
    needs::are_met(&worker, Stage::Serve)?;
    let worker = Tracee::seize_running(broker.try_load("long")?)?;
    let outcome = worker.end_by_jump(abort_of(worker.pid())?, &[])?;
    if outcome != Outcome::Killed(Signal::SIGABRT) {
        return Err(format!("abort() ends by {outcome:?}").into());
    }
    let tracee = Tracee::seize_running(broker.pid())?;
    needs::of_broker_are_met(&tracee)?;
    tracee.detach()
}

/// A broker that may do more.
fn open_in_broker(swap: &Swap) -> Setup<Fate> {
    let install = Install::new()?;
    install.add_long()?;
    let broker = started::broker(install, &mut |tracee, call| swap.edit(tracee, call))??;
    let tracee = Tracee::seize_running(broker.pid())?;
    let denied = rights::broker_is_denied(&tracee);
    tracee.detach()?;
    Ok(denied.err().map_or(Fate::Survived, |error| Fate::Killed(format!("P18: {error}"))))
}
