//! Which layers a held worker has, and how the tracer takes one away.

use core_policy::seccomp;
use nix::libc;

use super::Setup;
use crate::trace::{Call, Tracee, Verdict};

/// A layer that the tracer can take away: the call that applies it is answered in the kernel's
/// place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The domain. A worker without it ends when its own canaries open, so it can be held at
    /// [`Stage::Landlock`] only, where there is no filter yet either.
    Landlock,
    /// Every seccomp filter.
    Seccomp,
    /// All namespaces.
    Namespaces,
    /// `no_new_privs`.
    NoNewPrivs,
    /// The refusal of memory that becomes executable.
    Mdwe,
    /// The resource limits.
    Limits,
}

/// What a held worker lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    removed: &'static [Layer],
}

impl Layers {
    /// All layers, as shipped.
    pub const ALL: Self = Self::without(&[]);
    /// No filter.
    pub const NO_SECCOMP: Self = Self::without(&[Layer::Seccomp]);
    /// Nothing at all: what a worker would be without this project's policy. Capabilities it has
    /// none, because no ordinary user has.
    pub const NONE: Self = Self::without(&[
        Layer::Landlock,
        Layer::Seccomp,
        Layer::Namespaces,
        Layer::NoNewPrivs,
        Layer::Mdwe,
        Layer::Limits,
    ]);

    /// All but these.
    pub const fn without(removed: &'static [Layer]) -> Self {
        Self { removed }
    }

    /// What the tracer answers to a call that applies or asks for a layer that is taken away.
    pub(super) fn answer(self, call: Call) -> Option<i64> {
        let (layer, answer) = applied_by(call)?;
        self.removed.contains(&layer).then_some(answer)
    }
}

/// Where a worker is held: at the exit of the call that completes the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The program has just begun: nothing is in place, and all descriptors are open.
    Start,
    /// Landlock is in place, no filter yet.
    Landlock,
    /// The LOAD filters are in place; no byte of the model was read.
    Load,
    /// The SERVE filter is in place on all threads.
    Serve,
}

/// What is done to a call before it is made: the thread may be changed, and what is answered is
/// answered in the kernel's place.
pub type Edit<'a> = dyn FnMut(&Tracee, Call) -> Option<i64> + 'a;

/// Lets a worker run to a stage, each of its calls edited on the way.
pub(super) fn run_to(tracee: &Tracee, stage: Stage, edit: &mut Edit<'_>) -> Setup<()> {
    if stage == Stage::Start {
        return Ok(());
    }
    let mut filters = 0;
    let load = seccomp::filters(seccomp::Stage::Load);
    let serve = load + seccomp::filters(seccomp::Stage::Serve);
    tracee.run_until(|call| {
        filters += usize::from(installs_filter(call));
        let complete = match stage {
            Stage::Start => true,
            Stage::Landlock => call.number == number(libc::SYS_landlock_restrict_self),
            Stage::Load => installs_filter(call) && filters == load,
            Stage::Serve => installs_filter(call) && filters == serve,
        };
        match (edit(tracee, call), complete) {
            (None, false) => Verdict::Pass,
            (None, true) => Verdict::Hold,
            (Some(answer), false) => Verdict::Answer(answer),
            (Some(_), true) => Verdict::RemoveAndHold,
        }
    })?;
    Ok(())
}

/// Whether a call installs a seccomp program; one without a program only asks for a flag.
pub fn installs_filter(call: Call) -> bool {
    let [mode, _, program, ..] = call.arguments;
    call.number == number(libc::SYS_seccomp) && mode == SET_MODE_FILTER && program != 0
}

/// The layer that a call applies, or asks for, and what the kernel would answer if it did.
fn applied_by(call: Call) -> Option<(Layer, i64)> {
    let [first, _, third, ..] = call.arguments;
    match call.number.cast_signed() {
        libc::SYS_landlock_restrict_self => Some((Layer::Landlock, 0)),
        libc::SYS_seccomp if first == SET_MODE_FILTER => Some((Layer::Seccomp, 0)),
        libc::SYS_unshare => Some((Layer::Namespaces, 0)),
        libc::SYS_prlimit64 if third != 0 => Some((Layer::Limits, 0)),
        libc::SYS_prctl => match i32::try_from(first) {
            Ok(libc::PR_SET_NO_NEW_PRIVS) => Some((Layer::NoNewPrivs, 0)),
            Ok(libc::PR_GET_NO_NEW_PRIVS) => Some((Layer::NoNewPrivs, 1)),
            Ok(libc::PR_SET_MDWE) => Some((Layer::Mdwe, 0)),
            _ => None,
        },
        _ => None,
    }
}

fn number(call: i64) -> u64 {
    call.cast_unsigned()
}

/// `SECCOMP_SET_MODE_FILTER` of seccomp(2).
const SET_MODE_FILTER: u64 = 1;
