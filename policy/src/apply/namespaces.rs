//! Namespaces of a worker, without id maps: an unmapped user namespace is stricter than a mapped
//! one and costs 0.4 ms. No pid namespace (abort() of its init would become SIGSEGV) and no mount
//! namespace (Landlock answers EPERM).

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

use crate::report::{How, Name, Row, layer};

/// The namespaces in the order in which they are tried alone: the user namespace first, because it
/// gives the right to make the others.
const NAMESPACES: [(CloneFlags, Name); 5] = [
    (CloneFlags::CLONE_NEWUSER, layer::NS_USER),
    (CloneFlags::CLONE_NEWNET, layer::NS_NET),
    (CloneFlags::CLONE_NEWIPC, layer::NS_IPC),
    (CloneFlags::CLONE_NEWUTS, layer::NS_UTS),
    (CloneFlags::CLONE_NEWCGROUP, layer::NS_CGROUP),
];

/// Enters all namespaces with one call, or one by one when the kernel refuses the combination.
///
/// Returns one row for each. None is required: seccomp and Landlock stand without them.
pub fn unshare_all() -> Vec<Row> {
    let all = NAMESPACES.iter().fold(CloneFlags::empty(), |all, (flag, _)| all | *flag);
    let together = unshare(all);
    NAMESPACES.iter().map(|(flag, name)| row(*name, together.or_else(|_| unshare(*flag)))).collect()
}

fn row(name: Name, entered: Result<(), Errno>) -> Row {
    match entered {
        Ok(()) => Row::yes(name, How::OwnWord, "own, no id map"),
        Err(errno) => Row::no(name, How::OwnWord, errno.to_string()),
    }
}
