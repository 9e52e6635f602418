//! Capabilities: none, in none of the five sets.

use caps::CapSet;
use nix::errno::Errno;

use crate::apply::ApplyError;
use crate::report::{How, Row, layer};
use crate::sys;
use crate::verify::Status;

/// Highest capability number that is tried. The sets have 64 bits; the kernel answers EINVAL beyond
/// the last one that it knows.
const CAP_LAST: libc::c_ulong = 63;

/// Drops the bounding set, then empties the other four, and looks.
///
/// The bounding set needs CAP_SETPCAP, which a user namespace gives; without one it stays and the
/// row says so.
///
/// # Errors
/// [`ApplyError`] when a set that matters is not empty afterwards.
pub fn drop_all() -> Result<Vec<Row>, ApplyError> {
    let bounding = drop_bounding();
    clear_sets()?;
    let status = Status::own().map_err(ApplyError::Unreadable)?;
    if !status.caps_empty() {
        // guard
        let found = "a capability set is not empty".to_owned();
        return Err(ApplyError::NotHeld { layer: layer::CAPS_EFFECTIVE.text, found });
    }
    let bounding = match (status.cap_bounding, bounding) {
        (Some(0), _) => Row::yes(layer::CAPS_BOUNDING, How::OwnWord, "0"),
        (_, Err(errno)) => Row::no(layer::CAPS_BOUNDING, How::OwnWord, errno.to_string()),
        (_, Ok(())) => Row::partial(layer::CAPS_BOUNDING, How::OwnWord, "not empty"),
    };
    let row = Row::yes(layer::CAPS_EFFECTIVE, How::OwnWord, "all four sets 0");
    Ok(vec![row, bounding])
}

/// Drops every capability from the bounding set.
pub(crate) fn drop_bounding() -> Result<(), Errno> {
    for cap in 0..=CAP_LAST {
        match sys::prctl(libc::PR_CAPBSET_DROP, [cap, 0, 0, 0]) {
            Ok(_) => {}
            Err(Errno::EINVAL) => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Clears the ambient set.
pub(crate) fn clear_ambient() -> Result<(), Errno> {
    let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL.unsigned_abs();
    sys::prctl(libc::PR_CAP_AMBIENT, [libc::c_ulong::from(clear), 0, 0, 0]).map(drop)
}

/// Empties the effective, permitted, inheritable and ambient sets, in the order that the kernel
/// accepts: a set never holds what the one above it lost.
pub(crate) fn clear_sets() -> Result<(), ApplyError> {
    clear_ambient().map_err(ApplyError::call(layer::CAPS_EFFECTIVE))?;
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        caps::clear(None, set).map_err(|_| ApplyError::Call {
            layer: layer::CAPS_EFFECTIVE.text,
            source: Errno::last(),
        })?;
    }
    Ok(())
}
