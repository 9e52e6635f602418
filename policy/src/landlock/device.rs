//! Device nodes in a domain: the named ones that exist, each alone and never a directory of them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use landlock::{
    AccessFs, BitFlags, PathBeneath, PathFd, PathFdError, RulesetCreated, RulesetCreatedAttr,
    make_bitflags,
};
use nix::sys::stat::{SFlag, fstat};

use super::{DomainError, Rights};
use crate::profile::Profile;

/// Opening for reading and writing, and commands (the last from ABI 5 on; below it nothing denies
/// a command on what is open).
const DEVICE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | WriteFile | IoctlDev});

/// Grants the device nodes of a profile. One that does not exist is left out; one that is no
/// character device would be somebody's trap.
pub(super) fn grant_nodes(
    ruleset: RulesetCreated,
    rights: Rights,
    profile: Profile,
) -> Result<RulesetCreated, DomainError> {
    grant(ruleset, rights, profile.nodes())
}

/// Of these paths those that exist, each of which must be a character device.
pub(super) fn grant(
    mut ruleset: RulesetCreated,
    rights: Rights,
    paths: Vec<PathBuf>,
) -> Result<RulesetCreated, DomainError> {
    for path in paths {
        let Some(node) = existing(&path)? else {
            continue;
        };
        if !is_character_device(&node) {
            // guard
            return Err(DomainError::NoDevice { path });
        }
        ruleset = ruleset.add_rule(PathBeneath::new(node, rights.existing(DEVICE)))?;
    }
    Ok(ruleset)
}

fn existing(path: &Path) -> Result<Option<PathFd>, DomainError> {
    match PathFd::new(path) {
        Ok(fd) => Ok(Some(fd)),
        Err(source) if is_absent(&source) => Ok(None),
        Err(source) => Err(DomainError::Path { path: PathBuf::from(path), source }),
    }
}

fn is_absent(error: &PathFdError) -> bool {
    matches!(error, PathFdError::OpenCall { source, .. }
        if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
}

pub(super) fn is_character_device(node: &PathFd) -> bool {
    let kind = fstat(node).map(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT);
    kind == Ok(SFlag::S_IFCHR)
}
