//! The layers that are one call each, and the order in which a worker applies them.
//!
//! [`before_libraries`] is everything between reading CONFIG and loading the CPU variant. Then come
//! [`crate::landlock::confine_worker`] and LOCKED; after the broker's GO [`hide`] and the filters.

mod ending;
mod namespaces;
mod process;

use nix::errno::Errno;

use crate::profile::Profile;
use crate::report::{Achieved, How, Row, layer};
use crate::{caps, limits};

pub use ending::{default_signals, leave};
pub use namespaces::unshare_all;
pub use process::{
    assert_single_thread, die_with_parent, exec_gain_left, hide, no_new_privs, oom_first,
    refuse_exec_gain,
};

/// A required layer could not be applied; the worker must not go on.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A call failed.
    #[error("{layer} could not be applied: {source}; without it no worker may run")]
    Call {
        /// Name of the protection.
        layer: &'static str,
        /// Answer of the kernel.
        source: Errno,
    },
    /// The call succeeded and the kernel still reports the old state.
    #[error("{layer} was applied but does not hold: {found}")]
    NotHeld {
        /// Name of the protection.
        layer: &'static str,
        /// What was found instead.
        found: String,
    },
    /// /proc could not be read.
    #[error("the state of this process cannot be read: {0}; /proc must be mounted")]
    Unreadable(#[source] std::io::Error),
    /// The broker is gone.
    #[error("the parent is {found}, expected {expected}: the broker has ended")]
    Orphan {
        /// Who started this process.
        expected: i32,
        /// Who is its parent now.
        found: i32,
    },
}

impl ApplyError {
    /// Names the layer of a failed call.
    pub(crate) fn call(layer: crate::report::Name) -> impl FnOnce(Errno) -> Self {
        move |source| Self::Call { layer: layer.text, source }
    }
}

/// Applies all that needs no file: from the parent's death signal to MDWE, which the GPU profile
/// leaves out.
///
/// `parent` is the broker's pid as CONFIG names it. The namespaces come before the capabilities,
/// because entering a user namespace fills the sets, and before the limit on threads, which counts
/// within it.
///
/// # Errors
/// [`ApplyError`] for a required layer; what is only wanted becomes a row.
pub fn before_libraries(parent: i32, profile: Profile) -> Result<Vec<Row>, ApplyError> {
    let mut rows = vec![assert_single_thread()?];
    die_with_parent(parent)?;
    let namespaces = unshare_all();
    let own_user = namespaces
        .iter()
        .any(|row| row.name == layer::NS_USER.text && row.achieved == Achieved::Yes);
    rows.extend(namespaces);
    rows.extend(caps::drop_all()?);
    rows.push(limits::apply_all(profile).map_err(ApplyError::call(layer::RLIMITS))?);
    rows.push(match own_user {
        true => limits::apply_nproc(),
        false => Row::no(layer::RLIMIT_NPROC, How::OwnWord, "no user namespace"),
    });
    rows.push(oom_first());
    rows.push(no_new_privs()?);
    rows.push(match profile {
        Profile::Cpu => refuse_exec_gain(),
        Profile::Gpu => exec_gain_left(),
    });
    rows.extend(profile.rows(How::OwnWord));
    // A change of credentials clears the death signal; the new user namespace was one.
    rows.push(die_with_parent(parent)?);
    Ok(rows)
}
