//! From exec to READY: everything that the process will never need again is given up on the way.
//!
//! Until Landlock is in place only our own binary and the broker's own libraries run, in a fixed
//! environment, and no byte is read that the broker did not write.

mod fds;
mod inspect;
mod lockdown;
mod serve;

#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use core_policy::{
    apply::ApplyError, fds::FdError, landlock::DomainError, report::Row, seccomp::InstallError,
};
use core_ring::AttachError;
use core_wire::worker::{
    Failed, FailedCause, Locked, Purpose, ToBroker, ToWorker, WorkerConfig,
    config::{Load, Serve},
};
use thiserror::Error;

pub(crate) use self::fds::ModelFiles;
use crate::{
    engine::load::{NoModel, failed},
    fault::Fault,
    link::Link,
    llama::{self, VariantError},
};

/// How long CONFIG is waited for: it was written before this process existed.
const CONFIG_WAIT: Duration = Duration::from_secs(1);

/// How long GO is waited for. The broker looks at a few files of /proc; one that takes longer is
/// stuck, and a locked process that nobody looked at must not lie around.
const GO_WAIT: Duration = Duration::from_secs(30);

/// A protection could not be applied, or what was inherited is not as it must be.
#[derive(Debug, Error)]
pub(crate) enum BootError {
    /// The descriptors are others.
    #[error(transparent)]
    Fds(#[from] FdError),
    /// The rings are none.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// A layer could not be applied.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The Landlock domain is not as it must be.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// A filter could not be installed.
    #[error(transparent)]
    Filter(#[from] InstallError),
    /// A path of CONFIG opened in spite of the domain.
    #[error("a path that the broker named as forbidden could be opened")]
    Canary,
}

impl From<BootError> for NoModel {
    fn from(error: BootError) -> Self {
        failed(FailedCause::Lockdown, error.to_string())
    }
}

impl From<VariantError> for NoModel {
    fn from(error: VariantError) -> Self {
        failed(FailedCause::Variant, error.to_string())
    }
}

/// What a process has once its rings are mapped and CONFIG is read.
struct Booted {
    link: Link,
    models: ModelFiles,
    config: WorkerConfig,
    rows: Vec<Row>,
    began: Instant,
}

/// Why the process ends before it served: with a record, or with a line in the log.
#[derive(Debug, Error)]
pub(crate) enum BootEnd {
    /// The broker was told.
    #[error("nothing to serve: {}", .0.message)]
    Told(Failed),
    /// There is no ring to tell it through.
    #[error("cannot boot: {0}")]
    Untold(#[from] BootError),
    /// A fault of the rings or of the engine.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Boots and serves until the broker says stop.
///
/// # Errors
/// [`BootEnd`]; the caller ends the process.
pub(crate) fn run(began: Instant) -> Result<(), BootEnd> {
    core_policy::apply::default_signals().map_err(BootError::from)?;
    let (end, models, rows) = fds::take()?;
    let mut link = Link::new(end);
    let Some(ToWorker::Config(config)) = link.hear_one(CONFIG_WAIT)? else {
        return Err(Fault::Missing { what: "CONFIG" }.into());
    };
    llama::route_log();
    let booted = Booted { link, models, config, rows, began };
    match booted.config.purpose.clone() {
        Purpose::Choose { variants } => choose(booted, &variants),
        Purpose::Serve(plan) => serve::serve(booted, &plan),
        Purpose::Inspect(plan) => inspect::inspect(booted, &plan),
    }
}

/// Tells the broker why there is nothing to serve, as far as that is possible.
fn tell(link: &mut Link, reason: NoModel) -> BootEnd {
    match reason {
        NoModel::Fault(fault) => fault.into(),
        NoModel::Failed(failed) => match link.say(&ToBroker::Failed(failed.clone())) {
            Ok(()) => BootEnd::Told(failed),
            Err(fault) => fault.into(),
        },
    }
}

/// A throwaway process: locks itself down, answers with the best variant, ends.
fn choose(mut booted: Booted, variants: &[String]) -> Result<(), BootEnd> {
    match best(&mut booted, variants) {
        Ok(index) => Ok(booted.link.say(&ToBroker::Variant(index))?),
        Err(reason) => Err(tell(&mut booted.link, reason)),
    }
}

fn best(booted: &mut Booted, variants: &[String]) -> Result<u32, NoModel> {
    lockdown::shed(&booted.config)?;
    let mut best = None;
    for (index, path) in (0_u32..).zip(variants) {
        let score = llama::score_variant(Path::new(path))?;
        // The first of equals: the broker lists them in a fixed order.
        if score > 0 && best.is_none_or(|(highest, _)| score > highest) {
            best = Some((score, index));
        }
    }
    let libraries = folder_of(variants.first().map_or("/", String::as_str));
    lockdown::confine(&booted.config, &libraries, &booted.models)?;
    lockdown::filter_load()?;
    match best {
        Some((_, index)) => Ok(index),
        None => {
            let message = format!("none of {} CPU variants runs on this CPU", variants.len());
            Err(failed(FailedCause::Variant, message))
        }
    }
}

impl Booted {
    /// Locks the process down up to the filters, and waits to be looked at.
    fn lock(&mut self, plan: &Serve) -> Result<(), NoModel> {
        let files = self.models.count();
        let named = usize::from(plan.parts) + plan.adapters.len();
        if (plan.parts == 0) != (plan.load == Load::Nothing) || files != named {
            let message = format!("{files} model files came, CONFIG names {named}");
            return Err(failed(FailedCause::Lockdown, message));
        }
        self.rows.extend(lockdown::shed(&self.config)?);
        llama::load_variant(Path::new(&plan.variant))?;
        plan.backends.iter().try_for_each(|path| llama::load_backend(Path::new(path)))?;
        let libraries = folder_of(&plan.variant);
        let confined = lockdown::confine(&self.config, &libraries, &self.models)?;
        self.rows.extend(confined);
        let claims = lockdown::claims(&self.rows);
        self.link.say(&ToBroker::Locked(Locked { claims }))?;
        Ok(())
    }

    /// Waits for the broker's word that it saw what it wanted to see.
    fn await_go(&mut self) -> Result<(), Fault> {
        match self.link.hear_one(GO_WAIT)? {
            Some(ToWorker::Go) => Ok(()),
            Some(ToWorker::Stop) => core_policy::apply::leave(crate::EXIT_STOPPED),
            Some(_) | None => Err(Fault::Missing { what: "GO" }),
        }
    }
}

fn folder_of(library: &str) -> PathBuf {
    Path::new(library).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}
