//! Giving root up, and what a user can reach. These cases need root, as `make test` in a container
//! has; without it they are skipped, and a skip is no pass.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::thread;

use core_policy::root::{self, Need, Reach, User, UserError};
use core_policy::verify::Status;
use nix::unistd::{Gid, getegid, geteuid, getgroups, getuid, setgroups};

use crate::attack::call;
use crate::outcome::{Case, Outcome, Side};

const OK: Outcome = Outcome::Success;
const EPERM: Outcome = Outcome::Errno(libc::EPERM);

/// A user that no account has, so that nothing on the machine belongs to it.
pub(crate) fn stranger() -> User {
    User::find("61234").unwrap()
}

pub(crate) fn cases() -> Vec<Case> {
    let locked = |side: Side, attack: fn() -> Outcome| {
        if side == Side::Locked {
            root::give_up(stranger()).unwrap();
        }
        attack()
    };
    vec![
        Case::new("user.setuid-back", EPERM, OK, move |side| {
            locked(side, || Outcome::of_call(call(libc::SYS_setuid, &[0])))
        }),
        Case::new("user.setgid-back", EPERM, OK, move |side| {
            locked(side, || Outcome::of_call(call(libc::SYS_setgid, &[0])))
        }),
        Case::new("user.shadow", Outcome::Errno(libc::EACCES), OK, move |side| {
            locked(side, || Outcome::of_io(File::open("/etc/shadow")))
        }),
        Case::new("user.chroot", EPERM, OK, move |side| {
            locked(side, || Outcome::of_io(std::os::unix::fs::chroot("/")))
        }),
        Case::new("user.nothing-left", OK, None, |_| nothing_left()),
        Case::new("user.early-thread", OK, None, |_| early_thread()),
        Case::new("user.reach-home", OK, None, |_| home_is_named()),
        Case::new("user.reach-link", OK, None, |_| link_is_followed()),
        Case::new("user.reach-needs", OK, None, |_| needs_differ()),
        Case::new("user.reach-restores", OK, None, |_| identity_returns()),
        Case::new("user.names", OK, None, |_| names_are_judged()),
    ]
}

fn nothing_left() -> Outcome {
    // Root may have no group beside its own.
    setgroups(&[Gid::from_raw(61_235)]).unwrap();
    let rows = root::give_up(stranger()).unwrap();
    let status = Status::own().unwrap();
    let uids = status.uids == [61_234; 4];
    let empty = status.caps_empty() && status.cap_bounding == Some(0);
    let held = uids && empty && status.no_new_privs == Some(1) && getgroups().unwrap().is_empty();
    Outcome::holds(held && rows.len() == 6, "something of root is left")
}

fn early_thread() -> Outcome {
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let second = thread::spawn(move || ended.recv().is_err());
    let refused = root::give_up(stranger()).is_err();
    let untouched = getuid().is_root();
    drop(end);
    second.join().unwrap();
    Outcome::holds(refused && untouched, "a second thread must stop it before the first step")
}

fn reach(path: &Path, need: Need) -> Result<(), root::Unreachable> {
    root::check_reachable(stranger(), &[Reach { path, need }])
}

/// A directory open to all that holds `home`, mode 0700, that holds a program open to all.
fn home() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let home = directory.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::copy("/bin/true", home.join("worker")).unwrap();
    fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
    directory
}

fn home_is_named() -> Outcome {
    let directory = home();
    let home = directory.path().join("home");
    let found = reach(&home.join("worker"), Need::Execute).unwrap_err();
    let named = found.path == home && found.mode == 0o700 && found.owner == 0;
    let says = found.to_string();
    let says = says.contains("0700") && says.contains("61234");
    fs::set_permissions(&home, Permissions::from_mode(0o711)).unwrap();
    let opened = reach(&home.join("worker"), Need::Execute).is_ok();
    Outcome::holds(named && says && opened, "the directory that stops the user must be named")
}

fn link_is_followed() -> Outcome {
    let directory = home();
    let link = directory.path().join("link");
    symlink("home/worker", &link).unwrap();
    let found = reach(&link, Need::Execute).unwrap_err();
    Outcome::holds(found.mode == 0o700, "the directory behind a link must be named")
}

fn needs_differ() -> Outcome {
    let directory = home();
    let open = directory.path();
    let listed = reach(open, Need::List).is_ok();
    let unchanged = reach(open, Need::Change).unwrap_err().path == open;
    let absent = reach(&open.join("absent"), Need::Read).unwrap_err();
    let absent = absent.errno == nix::errno::Errno::ENOENT;
    Outcome::holds(listed && unchanged && absent, "each need is asked for")
}

fn identity_returns() -> Outcome {
    let groups = getgroups().unwrap();
    let directory = home();
    drop(reach(&directory.path().join("home/worker"), Need::Execute));
    let own = File::open(directory.path().join("home/worker")).is_ok();
    let same = geteuid().is_root() && getegid().as_raw() == 0 && getgroups().unwrap() == groups;
    Outcome::holds(own && same, "root must be itself again")
}

fn names_are_judged() -> Outcome {
    let root = matches!(User::find("root"), Err(UserError::Root(_)));
    let zero = matches!(User::find("0"), Err(UserError::Root(_)));
    let unknown = matches!(User::find("no-such-user-here"), Err(UserError::Unknown(_)));
    let number = stranger();
    let number = (number.uid(), number.gid()) == (61_234, 61_234);
    Outcome::holds(root && zero && unknown && number, "users are judged by number")
}
