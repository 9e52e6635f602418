//! A process of the worker's own user, as a sibling worker or the broker would be.

use std::{
    fs::{self, File},
    os::unix::{fs::FileExt, process::CommandExt},
    process::{Child, Command, Stdio},
    time::Duration,
};

use core_tests::harness::{Setup, processes};

/// What its environment holds, where everybody of its user could read and write it.
const CANARY: &str = "CANARY=untouched";
/// The field of /proc/PID/stat behind the name that says where the environment begins (proc(5),
/// `env_start`, the 50th of all).
const ENV_START: usize = 47;
/// A process that is to be seen running has until then for its exec.
const EXEC_MAX: Duration = Duration::from_secs(5);

/// A sleeping process and where its canary lies.
pub(super) struct Bystander {
    uid: u32,
    child: Child,
    canary_at: u64,
}

impl Bystander {
    pub(super) fn new(uid: u32) -> Setup<Self> {
        let child = start(uid)?;
        let canary_at = environment(child.id())?;
        Ok(Self { uid, child, canary_at })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn canary_at(&self) -> u64 {
        self.canary_at
    }

    /// What was done to it, if anything.
    pub(super) fn harm(&mut self) -> Option<String> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(format!("it ended: {status}"));
        }
        let field = |name| processes::status_field(self.pid(), name).unwrap_or_default();
        let (state, tracer) = (field("State"), field("TracerPid"));
        if state.starts_with(['T', 't']) || tracer != "0" {
            return Some(format!("{state}, traced by {tracer}"));
        }
        let bytes = self.bytes().unwrap_or_default();
        (bytes != CANARY).then(|| format!("its memory reads {bytes:?}"))
    }

    /// The pid stays what it is as long as nothing happened: attacks name it.
    pub(super) fn reset(&mut self) -> Setup<()> {
        if self.harm().is_some() {
            self.end();
            *self = Self::new(self.uid)?;
        }
        Ok(())
    }

    fn bytes(&self) -> Setup<String> {
        let mut bytes = vec![0; CANARY.len()];
        let memory = File::open(format!("/proc/{}/mem", self.pid()))?;
        memory.read_exact_at(&mut bytes, self.canary_at)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.end();
    }
}

fn start(uid: u32) -> Setup<Child> {
    let mut command = Command::new("/bin/sleep");
    command.arg("600").stdin(Stdio::null()).env_clear();
    let (name, value) = CANARY.split_once('=').ok_or("a canary without a name")?;
    command.env(name, value).current_dir("/");
    if nix::unistd::geteuid().is_root() {
        command.uid(uid).gid(uid);
    }
    Ok(command.spawn()?)
}

fn environment(pid: u32) -> Setup<u64> {
    let sleeps = || {
        let name = processes::status_field(pid, "Name")?;
        (name == "sleep").then_some(())
    };
    processes::wait_for(EXEC_MAX, sleeps).ok_or("the bystander did not come to its exec")?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after = stat.rsplit_once(") ").ok_or("a stat line without a name")?.1;
    let field = after.split(' ').nth(ENV_START).ok_or("a stat line without env_start")?;
    Ok(field.trim().parse()?)
}
