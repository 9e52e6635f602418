//! One attack: a call that a subverted worker would make, what must come of it at each stage, and
//! the controls that show that the call does harm where the layers are missing.

use std::path::Path;

use core_tests::{
    harness::{Bench, Held, Layers, Setup, Stage},
    trace::{Arg, Outcome},
};
use nix::{
    errno::Errno,
    libc,
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};

use crate::world::{Harm, World};

/// What must come of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The process dies of SIGSYS.
    Kill,
    /// The call fails with this error.
    Fails(Errno),
    /// The call goes through: a residual risk that THREATS names.
    Residual,
}

/// What shows that a call works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Works {
    /// It answers zero or a positive number.
    Succeeds,
    /// The kernel looks at its arguments and refuses those with this error: it got through.
    Reaches(Errno),
    /// The process lives on, whatever the kernel answered: where it may lack the call.
    Lives,
    /// The process ends by this signal, because the call did it.
    Dies(Signal),
    /// Whatever becomes of the process, it does not die of a filter.
    Unfiltered,
}

/// A call and its verdicts.
#[derive(Clone, Debug)]
pub(crate) struct Attack {
    /// The row of the conformance table.
    pub(crate) row: &'static str,
    /// What is tried.
    pub(crate) what: String,
    /// The call's number.
    pub(crate) number: i64,
    /// Its arguments.
    pub(crate) arguments: Vec<Arg>,
    /// A call that the control needs first, whose answer is `Arg::Prior`: at the stages it would
    /// be stopped itself, so there the log pipe stands in its place.
    pub(crate) first: Option<(i64, Vec<Arg>)>,
    /// What must come of it while the model is read; `None` where the row speaks of SERVE alone.
    pub(crate) load: Option<Expect>,
    /// What must come of it while prompts are served.
    pub(crate) serve: Expect,
    /// What shows that it would do harm: tried without any layer.
    pub(crate) control: Works,
    /// What the harm is, seen from outside.
    pub(crate) harm: Harm,
}

/// How a worker without any layer did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Controls {
    /// Attacks that were tried.
    pub(crate) attacks: u32,
    /// Attacks whose control was executed.
    pub(crate) executed: u32,
    /// Attacks whose verdict a worker without a sandbox does not get.
    pub(crate) told_apart: u32,
}

impl Attack {
    /// Tries the attack at both stages and its controls; the error says what was otherwise.
    pub(crate) fn run(
        &self,
        bench: &Bench<'_>,
        world: &mut World,
        controls: &mut Controls,
    ) -> Setup<()> {
        controls.attacks += 1;
        self.control(bench, world, controls)?;
        if self.load == Some(Expect::Kill) {
            world.reset()?;
            self.lives_without_filters(bench, world)?;
        }
        world.reset()?;
        if let Some(expect) = self.load {
            self.expect(bench, world, Stage::Load, expect)?;
        }
        self.expect(bench, world, Stage::Serve, self.serve)
    }

    /// Without any layer the call does its harm, and this attack's own verdict says so.
    fn control(&self, bench: &Bench<'_>, world: &mut World, controls: &mut Controls) -> Setup<()> {
        world.reset()?;
        let (stage, layers) = (Stage::Landlock, Layers::NONE);
        let held = bench.hold(Path::new(&world.model), stage, layers)?;
        let outcome = self.inject(&held, world, Prior::Real)?;
        if !self.control.shown_by(outcome) {
            return Err(format!("invalid: without any layer the call gave {outcome:?}").into());
        }
        if self.harm != Harm::Unseen && !world.harmed(self.harm)? {
            return Err(format!("invalid: without any layer no harm was seen: {outcome:?}").into());
        }
        controls.executed += 1;
        let verdicts = [self.load, Some(self.serve)];
        let fooled = verdicts.into_iter().flatten().any(|expect| expect.denies(outcome));
        if fooled {
            return Err("invalid: a worker without a sandbox passes".into());
        }
        controls.told_apart += 1;
        Ok(())
    }

    /// The filters kill, and nothing else does.
    fn lives_without_filters(&self, bench: &Bench<'_>, world: &World) -> Setup<()> {
        let held = bench.hold(Path::new(&world.model), Stage::Load, Layers::NO_SECCOMP)?;
        match self.inject(&held, world, Prior::LogPipe)? {
            Outcome::Killed(Signal::SIGSYS) => {
                Err("invalid: without filters the call is killed by one".into())
            }
            Outcome::Returned(_) | Outcome::Killed(_) | Outcome::Exited(_) => Ok(()),
        }
    }

    fn expect(
        &self,
        bench: &Bench<'_>,
        world: &mut World,
        stage: Stage,
        expect: Expect,
    ) -> Setup<()> {
        let held = bench.hold(Path::new(&world.model), stage, Layers::ALL)?;
        self.denied_by(&held, world, stage, expect)
    }

    /// A held worker's layers do to the attack what is expected, and no harm comes of it.
    pub(crate) fn denied_by(
        &self,
        held: &Held,
        world: &mut World,
        stage: Stage,
        expect: Expect,
    ) -> Setup<()> {
        let outcome = self.inject(held, world, Prior::LogPipe)?;
        if !expect.met_by(outcome) {
            return Err(format!("at {stage:?}: {outcome:?} instead of {expect:?}").into());
        }
        world.unharmed().map_err(|harm| format!("at {stage:?}: {harm}").into())
    }

    fn inject(&self, held: &Held, world: &World, prior: Prior) -> Setup<Outcome> {
        let mut answer = LOG;
        let resolved = |list: &[Arg], prior| -> Vec<Arg> {
            list.iter().map(|arg| resolved(arg, prior, world.target())).collect()
        };
        if let (Some((number, arguments)), Prior::Real) = (&self.first, prior) {
            match held.tracee.inject(number.cast_unsigned(), &resolved(arguments, LOG))? {
                Outcome::Returned(value @ 0..) => answer = value.cast_unsigned(),
                other => return Err(format!("invalid: what comes first gave {other:?}").into()),
            }
        }
        let arguments = resolved(&self.arguments, answer);
        let outcome = held.tracee.inject(self.number.cast_unsigned(), &arguments)?;
        self.end_child(outcome);
        Ok(outcome)
    }

    /// A fork that worked left a process behind, which nobody traces.
    fn end_child(&self, outcome: Outcome) {
        let forks = [libc::SYS_fork, libc::SYS_clone, libc::SYS_clone3];
        let Outcome::Returned(child) = outcome else {
            return;
        };
        if let (true, Ok(pid @ 1..)) = (forks.contains(&self.number), i32::try_from(child)) {
            // It may have crashed by itself already. One that was started traced is this process's
            // to collect; until then its process would not end.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::__WALL));
        }
    }
}

/// The log pipe's descriptor.
const LOG: u64 = 2;

/// What stands for `Arg::Prior`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prior {
    Real,
    LogPipe,
}

fn resolved(argument: &Arg, prior: u64, target: u32) -> Arg {
    match argument {
        Arg::Prior => Arg::Num(prior),
        Arg::Other => Arg::Num(target.into()),
        other => other.clone(),
    }
}

impl Expect {
    fn met_by(self, outcome: Outcome) -> bool {
        match self {
            Self::Kill => outcome == Outcome::Killed(Signal::SIGSYS),
            Self::Fails(errno) => outcome == Outcome::Returned(-i64::from(errno as i32)),
            Self::Residual => matches!(outcome, Outcome::Returned(0..)),
        }
    }

    /// Whether this is a denial that the outcome meets.
    fn denies(self, outcome: Outcome) -> bool {
        self != Self::Residual && self.met_by(outcome)
    }
}

impl Works {
    fn shown_by(self, outcome: Outcome) -> bool {
        match (self, outcome) {
            (Self::Succeeds, Outcome::Returned(value)) => value >= 0,
            (Self::Reaches(errno), Outcome::Returned(value)) => value == -i64::from(errno as i32),
            (Self::Lives, Outcome::Returned(_)) => true,
            (Self::Dies(signal), outcome) => outcome == Outcome::Killed(signal),
            (Self::Unfiltered, outcome) => outcome != Outcome::Killed(Signal::SIGSYS),
            (_, Outcome::Killed(_) | Outcome::Exited(_)) => false,
        }
    }
}
