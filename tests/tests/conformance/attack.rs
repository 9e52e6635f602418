//! One attack: a call that a subverted worker would make, what must come of it at each stage, and
//! the controls that show that the call does harm where the layer is missing.

use std::path::Path;

use core_tests::{
    harness::{Bench, Layers, Setup, Stage},
    trace::{Arg, Outcome},
};
use nix::{
    errno::Errno,
    libc,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// What must come of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The process dies of SIGSYS.
    Kill,
    /// The call fails with this error.
    Fails(Errno),
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
    /// What must come of it while the model is read; `None` where the row speaks of SERVE alone.
    pub(crate) load: Option<Expect>,
    /// What must come of it while prompts are served.
    pub(crate) serve: Expect,
    /// What shows that it would do harm: tried with neither Landlock nor a filter in place.
    pub(crate) control: Works,
}

impl Attack {
    /// Tries the attack at both stages and its controls; the error says what was otherwise.
    pub(crate) fn run(&self, bench: &Bench<'_>, model: &Path) -> Setup<()> {
        let control = self.inject(bench, model, Stage::Landlock, Layers::NoLandlock)?;
        if !self.control.shown_by(control) {
            return Err(format!("invalid: without any layer the call gave {control:?}").into());
        }
        if self.load == Some(Expect::Kill) {
            self.lives_without_filters(bench, model)?;
        }
        if let Some(expect) = self.load {
            self.expect(bench, model, Stage::Load, expect)?;
        }
        self.expect(bench, model, Stage::Serve, self.serve)
    }

    /// The filters kill, and nothing else does.
    fn lives_without_filters(&self, bench: &Bench<'_>, model: &Path) -> Setup<()> {
        match self.inject(bench, model, Stage::Load, Layers::NoSeccomp)? {
            Outcome::Returned(_) => Ok(()),
            other => Err(format!("invalid: without filters the call gave {other:?}").into()),
        }
    }

    fn expect(&self, bench: &Bench<'_>, model: &Path, stage: Stage, expect: Expect) -> Setup<()> {
        let outcome = self.inject(bench, model, stage, Layers::All)?;
        if expect.met_by(outcome) {
            return Ok(());
        }
        Err(format!("at {stage:?}: {outcome:?} instead of {expect:?}").into())
    }

    fn inject(
        &self,
        bench: &Bench<'_>,
        model: &Path,
        stage: Stage,
        layers: Layers,
    ) -> Setup<Outcome> {
        let held = bench.hold(model, stage, layers)?;
        let outcome = held.tracee.inject(self.number.cast_unsigned(), &self.arguments)?;
        self.end_child(outcome);
        Ok(outcome)
    }

    /// A fork that worked left a process behind, which nobody traces.
    fn end_child(&self, outcome: Outcome) {
        let forks = [libc::SYS_fork, libc::SYS_clone, libc::SYS_clone3].contains(&self.number);
        let Outcome::Returned(child) = outcome else {
            return;
        };
        if let (true, Ok(pid @ 1..)) = (forks, i32::try_from(child)) {
            // It may have crashed by itself already.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

impl Expect {
    fn met_by(self, outcome: Outcome) -> bool {
        match self {
            Self::Kill => outcome == Outcome::Killed(Signal::SIGSYS),
            Self::Fails(errno) => outcome == Outcome::Returned(-i64::from(errno as i32)),
        }
    }
}

impl Works {
    fn shown_by(self, outcome: Outcome) -> bool {
        match (self, outcome) {
            (Self::Succeeds, Outcome::Returned(value)) => value >= 0,
            (Self::Reaches(errno), Outcome::Returned(value)) => value == -i64::from(errno as i32),
            (Self::Lives, Outcome::Returned(_)) => true,
            (_, Outcome::Killed(_) | Outcome::Exited(_)) => false,
        }
    }
}
