//! A broker that is killed takes its worker along (row L01), although the worker's user namespace
//! was a change of credentials, which can clear the death signal.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use nix::fcntl::OFlag;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe2};

use crate::chain::{Worker, broker};
use crate::outcome::Outcome;

/// Starts a broker with a worker, has the broker kill itself, and inherits the worker to see its
/// end.
pub(crate) fn worker_dies() -> Outcome {
    set_child_subreaper(true).unwrap();
    let (read, write) = pipe2(OFlag::O_CLOEXEC).unwrap();
    // SAFETY: the process has one thread, so its child may run any code.
    let ForkResult::Parent { child } = unsafe { fork() }.unwrap() else { killed_broker(write) };
    drop(write);
    let mut told = String::new();
    File::from(read).read_to_string(&mut told).unwrap();
    let (pid, directory) = told.split_once(' ').expect("a pid and a directory");
    fs::remove_dir_all(directory).unwrap();
    // Only then has the worker a new parent.
    waitpid(child, None).unwrap();
    let pid = Pid::from_raw(pid.parse().unwrap());
    let ended = waitpid(pid, None).unwrap();
    let good = matches!(ended, WaitStatus::Signaled(_, Signal::SIGKILL, _));
    Outcome::holds(good, &format!("{ended:?}"))
}

fn killed_broker(told: OwnedFd) -> ! {
    let (root, _) = broker();
    let mut worker = Worker::start(&root, "nothing");
    worker.go();
    write!(File::from(told), "{} {}", worker.pid(), root.directory.path().display()).unwrap();
    raise(Signal::SIGKILL).unwrap();
    unreachable!("SIGKILL cannot be survived")
}
