//! Which user the broker runs as: its own when it is not root, the one of `--user` when it is.

pub(super) use core_policy::root::{Need, Reach};
use core_policy::{
    apply::{self, ApplyError},
    caps,
    report::Row,
    root::{self, GiveUpError, Unreachable, User, UserError},
};
use nix::unistd::{geteuid, getresuid, getuid};
use thiserror::Error;

use super::exit::Exit;

/// Who started the broker and who it will be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    starter: u32,
    becoming: Becoming,
}

#[derive(Clone, Copy, Debug)]
enum Becoming {
    /// Not root: it stays who it is.
    Stay { uid: u32 },
    /// Root: it becomes this user for good.
    User(User),
}

/// Why the broker does not run as this user.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// Root without `--user`.
    #[error(
        "the broker does not run as root; name a user of its own with --user NAME|UID, \
         or start it as that user"
    )]
    Root,
    /// `--user` names somebody else, and only root could become that.
    #[error("--user is uid {named} and this is uid {own}; only root can become another user")]
    NotRoot {
        /// Whom it names.
        named: u32,
        /// Who this is.
        own: u32,
    },
    /// `--user` names nobody.
    #[error("--user: {0}")]
    User(#[from] UserError),
    /// The user cannot reach what it needs.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// Root could not be given up.
    #[error(transparent)]
    GiveUp(#[from] GiveUpError),
    /// A protection of the process could not be applied.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl IdentityError {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Root | Self::NotRoot { .. } | Self::User(UserError::Root(_)) => Exit::Root,
            Self::User(UserError::Unknown(_) | UserError::Database(_)) => Exit::Usage,
            Self::Unreachable(_) => Exit::Create,
            Self::GiveUp(_) | Self::Apply(_) => Exit::Protection,
        }
    }
}

impl Identity {
    /// Decides by who this is and whom `--user` names; changes nothing.
    ///
    /// # Errors
    /// [`IdentityError`] when that user must not or cannot be.
    pub(super) fn decide(user: Option<&str>) -> Result<Self, IdentityError> {
        let (starter, own) = (getuid().as_raw(), geteuid().as_raw());
        let root = getresuid().map_or(own == 0, |ids| {
            ids.real.is_root() || ids.effective.is_root() || ids.saved.is_root()
        });
        let becoming = match (root, user) {
            (true, None) => return Err(IdentityError::Root),
            (true, Some(name)) => Becoming::User(User::find(name)?),
            (false, None) => Becoming::Stay { uid: own },
            (false, Some(name)) => match User::find(name)?.uid() {
                named if named == own => Becoming::Stay { uid: own },
                named => return Err(IdentityError::NotRoot { named, own }),
            },
        };
        Ok(Self { starter, becoming })
    }

    /// The user that the broker will be.
    pub(super) fn uid(&self) -> u32 {
        match self.becoming {
            Becoming::Stay { uid } => uid,
            Becoming::User(user) => user.uid(),
        }
    }

    /// The user that started it.
    pub(super) fn starter(&self) -> u32 {
        self.starter
    }

    /// The user and group that root will become, to whom what root makes is given.
    pub(super) fn becomes(&self) -> Option<(u32, u32)> {
        match self.becoming {
            Becoming::Stay { .. } => None,
            Becoming::User(user) => Some((user.uid(), user.gid())),
        }
    }

    /// Becomes that user for good, without capabilities and without a way to gain any.
    ///
    /// # Errors
    /// [`IdentityError`]; the process must end.
    pub(super) fn assume(&self, needs: &[Reach<'_>]) -> Result<Vec<Row>, IdentityError> {
        match self.becoming {
            Becoming::User(user) => {
                root::check_reachable(user, needs)?;
                Ok(root::give_up(user)?)
            }
            Becoming::Stay { .. } => {
                let mut rows = vec![apply::assert_single_thread()?, apply::no_new_privs()?];
                rows.extend(caps::drop_all()?);
                rows.push(apply::hide()?);
                Ok(rows)
            }
        }
    }
}
