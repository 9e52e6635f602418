//! A test that needs a second process starts its own binary again, with only itself selected and
//! the role in the environment. Both roles are thus one test function, and none can be skipped.
#![allow(dead_code, reason = "every test binary uses its own part of this")]

pub(crate) mod page;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use core_ring::{BrokerEnd, Layout, WorkerFds, create};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Lists the descriptors that the child inherits, in order.
const FDS: &str = "CORE_RING_TEST_FDS";

/// Longer than any child needs on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The smallest rings: they fill and go round quickly.
pub(crate) const SMALL: Layout = Layout { b_bytes: 4096, w_bytes: 4096, kind_max: 9 };

/// The descriptors of the child's role; none in the parent's.
pub(crate) fn inherited() -> Option<Vec<OwnedFd>> {
    let list = std::env::var(FDS).ok()?;
    Some(list.split(',').map(adopt).collect())
}

fn adopt(number: &str) -> OwnedFd {
    let number: RawFd = number.parse().unwrap();
    // SAFETY: the parent left exactly these descriptors open for this process, each is named once,
    // and `inherited` is called once per process.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Starts the child's role of `test`, which inherits `fds` and nothing of the other tests.
pub(crate) fn spawn<'a>(test: &str, fds: impl IntoIterator<Item = BorrowedFd<'a>>) -> Reaped {
    let fds: Vec<OwnedFd> = fds.into_iter().map(|fd| fd.try_clone_to_owned().unwrap()).collect();
    let numbers: Vec<String> = fds.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(FDS, numbers.join(",")).stdout(Stdio::null());
    let keep = move || fds.iter().try_for_each(keep_over_exec);
    // SAFETY: between fork and exec only fcntl(2) is called, which is async-signal-safe; nothing
    // is allocated.
    let command = unsafe { command.pre_exec(keep) };
    Reaped(command.spawn().unwrap())
}

fn keep_over_exec(fd: &OwnedFd) -> std::io::Result<()> {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(())
}

/// A child that does not outlive its test.
pub(crate) struct Reaped(pub(crate) Child);

impl Reaped {
    /// Its status, which must come in time.
    pub(crate) fn finish(mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "the child hangs");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// kill -9, then reaped.
    pub(crate) fn kill(mut self) -> ExitStatus {
        self.0.kill().unwrap();
        self.0.wait().unwrap()
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A pair of rings and the descriptors in the order b, w, bell.
pub(crate) fn rings(layout: &Layout) -> (BrokerEnd, WorkerFds) {
    create(layout).unwrap()
}

/// The three descriptors in the order that the children expect.
pub(crate) fn listed(fds: &WorkerFds) -> [BorrowedFd<'_>; 3] {
    [fds.b.as_fd(), fds.w.as_fd(), fds.bell.as_fd()]
}

/// Takes exactly as many descriptors as a role expects.
pub(crate) fn exactly<const N: usize>(fds: Vec<OwnedFd>) -> [OwnedFd; N] {
    fds.try_into().unwrap()
}

/// Random enough for tests and the same for the same seed (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
