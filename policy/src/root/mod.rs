//! Giving root up, and checking first that the new user can reach what it will need.
//!
//! The order is the whole content of [`give_up`]: each step needs a right that a later one takes
//! away.

mod reach;

use nix::errno::Errno;
use nix::unistd::{self, Gid, Uid};

use crate::apply::{self, ApplyError};
use crate::report::{How, Row, layer};
use crate::verify::Status;
use crate::{caps, sys};

pub use reach::{Need, Reach, Unreachable, check_reachable};

/// A user that is not root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    uid: Uid,
    gid: Gid,
}

/// `--user` names nobody that can be used.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// There is no such user.
    #[error("there is no user {0}; create one, or give a numeric uid")]
    Unknown(String),
    /// The user is root, or its group is.
    #[error("{0} is root or in the group of root; choose a user of its own")]
    Root(String),
    /// The user database cannot be read.
    #[error("the user database cannot be read: {0}; give a numeric uid")]
    Database(#[source] Errno),
}

/// Root could not be given up; the process must end.
#[derive(Debug, thiserror::Error)]
pub enum GiveUpError {
    /// A step failed.
    #[error("giving up root failed at {step}: {source}")]
    Step {
        /// The step.
        step: &'static str,
        /// Answer of the kernel.
        source: Errno,
    },
    /// A step succeeded but something of root is left.
    #[error("root was given up, but {0}")]
    Left(&'static str),
    /// A layer that belongs to it failed.
    #[error(transparent)]
    Layer(#[from] ApplyError),
}

/// Securebits: root means nothing any more (NOROOT), no ambient capabilities, no keeping them over
/// setuid, and all of it locked. NO_SETUID_FIXUP is locked at off: set, it would keep the effective
/// capabilities of the new user (measured: uid 65534 with all of them).
const SECUREBITS: libc::c_ulong = NOROOT
    | NOROOT_LOCKED
    | NO_SETUID_FIXUP_LOCKED
    | KEEP_CAPS_LOCKED
    | NO_AMBIENT_RAISE
    | NO_AMBIENT_RAISE_LOCKED;
const NOROOT: libc::c_ulong = 1;
const NOROOT_LOCKED: libc::c_ulong = 1 << 1;
const NO_SETUID_FIXUP_LOCKED: libc::c_ulong = 1 << 3;
const KEEP_CAPS_LOCKED: libc::c_ulong = 1 << 5;
const NO_AMBIENT_RAISE: libc::c_ulong = 1 << 6;
const NO_AMBIENT_RAISE_LOCKED: libc::c_ulong = 1 << 7;

impl User {
    /// Finds `--user NAME|UID`. A number without an entry gets the group of the same number.
    ///
    /// # Errors
    /// [`UserError`]: unknown, root, or in root's group.
    pub fn find(name: &str) -> Result<Self, UserError> {
        let number = name.parse().ok().map(Uid::from_raw);
        if number.is_some_and(|uid| uid.as_raw() == u32::MAX) {
            // chown(2) and setresuid(2) read it as "unchanged", which is root.
            return Err(UserError::Unknown(name.to_owned()));
        }
        let entry = match number {
            Some(uid) => unistd::User::from_uid(uid),
            None => unistd::User::from_name(name),
        };
        let user = match (entry, number) {
            (Ok(Some(entry)), _) => Self { uid: entry.uid, gid: entry.gid },
            (_, Some(uid)) => Self { uid, gid: Gid::from_raw(uid.as_raw()) },
            (Ok(None), None) => return Err(UserError::Unknown(name.to_owned())),
            (Err(errno), None) => return Err(UserError::Database(errno)),
        };
        if user.uid.is_root() || user.gid.as_raw() == 0 {
            // guard
            return Err(UserError::Root(name.to_owned()));
        }
        Ok(user)
    }

    /// The user's number.
    pub fn uid(self) -> u32 {
        self.uid.as_raw()
    }

    /// The number of its group.
    pub fn gid(self) -> u32 {
        self.gid.as_raw()
    }
}

/// Becomes `user` for good, with no group, no capability and no way back, and checks that.
///
/// Call it on the only thread, after the socket's directory was made and chowned and after
/// [`check_reachable`], and before anything is bound or opened for clients.
///
/// # Errors
/// [`GiveUpError`]; the process is then in an unknown state and must end.
pub fn give_up(user: User) -> Result<Vec<Row>, GiveUpError> {
    let mut rows = vec![apply::assert_single_thread()?];
    unistd::setgroups(&[]).map_err(step("setgroups"))?; // guard
    caps::drop_bounding().map_err(step("dropping the bounding set"))?; // guard
    caps::clear_ambient().map_err(step("clearing the ambient set"))?;
    let securebits = sys::prctl(libc::PR_SET_SECUREBITS, [SECUREBITS, 0, 0, 0]);
    securebits.map_err(step("securebits"))?; // guard
    unistd::setresgid(user.gid, user.gid, user.gid).map_err(step("setresgid"))?;
    unistd::setresuid(user.uid, user.uid, user.uid).map_err(step("setresuid"))?;
    caps::clear_sets()?;
    rows.push(apply::no_new_privs()?);
    rows.push(apply::hide()?);
    rows.extend(verify(user)?);
    Ok(rows)
}

fn step(step: &'static str) -> impl FnOnce(Errno) -> GiveUpError {
    move |source| GiveUpError::Step { step, source }
}

/// Looks at what is left, and tries to come back.
fn verify(user: User) -> Result<Vec<Row>, GiveUpError> {
    let uids = unistd::getresuid().map_err(step("getresuid"))?;
    if [uids.real, uids.effective, uids.saved] != [user.uid; 3] {
        // guard
        return Err(GiveUpError::Left("a uid is not the user's"));
    }
    let gids = unistd::getresgid().map_err(step("getresgid"))?;
    if [gids.real, gids.effective, gids.saved] != [user.gid; 3] {
        // guard
        return Err(GiveUpError::Left("a gid is not the user's"));
    }
    if !unistd::getgroups().map_err(step("getgroups"))?.is_empty() {
        // guard
        return Err(GiveUpError::Left("a supplementary group is left"));
    }
    let root = Uid::from_raw(0);
    if unistd::setuid(root).is_ok() || unistd::seteuid(root).is_ok() {
        // guard
        return Err(GiveUpError::Left("setuid(0) succeeded"));
    }
    if unistd::setgid(Gid::from_raw(0)).is_ok() {
        // guard
        return Err(GiveUpError::Left("setgid(0) succeeded"));
    }
    let status = Status::own().map_err(ApplyError::Unreadable)?;
    if !status.caps_empty() || status.cap_bounding != Some(0) {
        // guard
        return Err(GiveUpError::Left("a capability is left"));
    }
    let value = format!("uid {}", user.uid);
    Ok(vec![
        Row::yes(layer::NOT_ROOT, How::OwnWord, value),
        Row::yes(layer::CAPS_EFFECTIVE, How::OwnWord, "all four sets 0"),
        Row::yes(layer::CAPS_BOUNDING, How::OwnWord, "0"),
    ])
}
