//! The layers, in the only order that works.
//!
//! Landlock comes before LOCKED, so that the broker can look while the process still is dumpable;
//! the filters come after GO, because what the broker looks at needs calls that they forbid.

use std::{fs::File, io, path::Path, sync::OnceLock};

use core_policy::{
    apply,
    landlock::{self, CanaryPaths, WorkerCanaries},
    profile::Profile,
    report::Row,
    seccomp::{self, Stage},
};
use core_wire::worker::{Claim, WorkerConfig};

use super::{BootError, fds::ModelFiles};
use crate::llama;

/// The profile of this process: decided once, by CONFIG, with the first layer, so that no later
/// stage can choose another.
static PROFILE: OnceLock<Profile> = OnceLock::new();

/// The profile that was decided on; the stricter one until then.
fn profile() -> Profile {
    PROFILE.get().copied().unwrap_or_default()
}

/// Everything that needs no file, from the parent's death signal to MDWE.
///
/// # Errors
/// [`BootError::Apply`].
pub(crate) fn shed(config: &WorkerConfig) -> Result<Vec<Row>, BootError> {
    let parent = i32::try_from(config.broker_pid).unwrap_or(0);
    let profile = *PROFILE.get_or_init(|| Profile::of_backends(config.purpose.backends()));
    Ok(apply::before_libraries(parent, profile)?)
}

/// Binds the process to the model's files, under the GPU profile to device nodes too, and tries
/// what must not open any more.
///
/// # Errors
/// [`BootError`]: a layer is missing, or something opened.
pub(crate) fn confine(
    config: &WorkerConfig,
    libraries: &Path,
    models: &ModelFiles,
) -> Result<Vec<Row>, BootError> {
    let models = models.borrow();
    let canaries = WorkerCanaries::arm(CanaryPaths { libraries }, models.first().copied());
    let mut rows = landlock::confine_worker(&models, profile())?;
    rows.extend(canaries.check()?);
    config.canaries.iter().try_for_each(|path| refused(path))?;
    Ok(rows)
}

/// Hides the process, then takes all calls away that reading a model does not need.
///
/// # Errors
/// [`BootError`].
pub(crate) fn filter_load() -> Result<Vec<Row>, BootError> {
    Ok(vec![apply::hide()?, seccomp::install(Stage::Load.under(profile()))?])
}

/// Takes all calls away that computing does not need, from every thread.
///
/// # Errors
/// [`BootError`].
pub(crate) fn filter_serve() -> Result<Row, BootError> {
    let row = seccomp::install(Stage::Serve.under(profile()))?;
    llama::be_discreet();
    Ok(row)
}

/// The rows as the broker is told.
pub(crate) fn claims(rows: &[Row]) -> Vec<Claim> {
    rows.iter().map(|row| Claim(row.code())).collect()
}

/// A forbidden path must not open; one that is not there proves nothing and is no harm.
fn refused(path: &str) -> Result<(), BootError> {
    match File::open(path) {
        Ok(_open) => Err(BootError::Canary),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => Ok(()),
    }
}
