//! A memory cgroup around broker and workers plays a small machine.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Setup, processes};

/// How long the kernel may take to end the processes of a machine, and to let go of them.
const GONE_MAX: Duration = Duration::from_secs(10);

/// A memory cgroup, of either version, that goes away with its last process.
pub struct Machine {
    path: PathBuf,
    limit: &'static str,
    usage: &'static str,
}

impl Machine {
    /// A machine with so much memory; `None` where no memory cgroup can be made.
    pub fn with(bytes: u64) -> Option<Self> {
        let roots = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
            ("/sys/fs/cgroup", "memory.max", "memory.current"),
        ];
        for (root, limit, usage) in roots {
            let path = Path::new(root).join(format!("core-tests-{}", std::process::id()));
            if fs::create_dir(&path).is_err() {
                continue;
            }
            let machine = Self { path, limit, usage };
            if machine.has(bytes).is_ok() {
                return Some(machine);
            }
        }
        None
    }

    /// Changes how much memory it has.
    ///
    /// # Errors
    /// The kernel refuses: more than that is in use and cannot be given back.
    pub fn has(&self, bytes: u64) -> Setup<()> {
        Ok(fs::write(self.path.join(self.limit), bytes.to_string())?)
    }

    /// How much of it is in use, page cache included.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn used(&self) -> Setup<u64> {
        Ok(fs::read_to_string(self.path.join(self.usage))?.trim().parse()?)
    }

    /// Moves a process there, and those that it starts from now on. What it had before does not
    /// count there.
    ///
    /// # Errors
    /// It is gone.
    pub fn take(&self, pid: u32) -> Setup<()> {
        Ok(fs::write(self.path.join("cgroup.procs"), pid.to_string())?)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Ends: the processes were killed; the kernel needs a moment to take them out.
        processes::wait_for(GONE_MAX, || fs::remove_dir(&self.path).ok());
    }
}
