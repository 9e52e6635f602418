//! A single worker on the bench: the test plays the broker, holds the shipped worker at a stage of
//! its boot, and may have taken a layer away. This is how a denial gets its positive control.

use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use core_policy::{env, fds, seccomp};
use core_ring::{BrokerEnd, Layout};
use core_wire::worker::{
    KIND_MAX, Purpose, ToWorker, WorkerConfig,
    config::{KvType, Load, Serve, Weights},
};

use super::{Install, Setup, processes};
use crate::trace::{Call, Tracee, Verdict};

/// Which layers a held worker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// All, as shipped.
    All,
    /// No seccomp filter: every call that installs one was made harmless.
    NoSeccomp,
    /// No Landlock domain, likewise. Such a worker ends when its own canaries open, so it can be
    /// held at [`Stage::Landlock`] only, where there is no filter yet either.
    NoLandlock,
}

/// Where a worker is held: at the exit of the call that completes the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Landlock is in place, no filter yet.
    Landlock,
    /// The LOAD filters are in place; no byte of the model was read.
    Load,
    /// The SERVE filter is in place on all threads.
    Serve,
}

/// Closes what the test itself inherited, which a broker would not hand on; then stops and waits
/// for a tracer. Only bash can close descriptors of two digits.
const STOPPED: &str = r#"for f in /proc/$$/fd/*; do
    n=${f##*/}; case $n in 0|1|2|3|4|5|8) ;; *) eval "exec $n>&-" ;; esac
done
kill -STOP $$; exec "$0""#;
/// How long a fresh process may take to stop itself.
const STOP_MAX: Duration = Duration::from_secs(5);

/// A worker that is held.
pub struct Held {
    /// The worker's main thread, stopped.
    pub tracee: Tracee,
    child: Child,
    // The rings and the read end of its log, which must outlive it.
    _rings: (BrokerEnd, std::io::PipeReader),
}

/// What workers are started from.
pub struct Bench<'a> {
    /// The installation.
    pub install: &'a Install,
    /// The CPU variant's file name in the engine's directory.
    pub variant: &'a str,
}

impl Bench<'_> {
    /// Starts a worker on `model` and holds it.
    ///
    /// # Errors
    /// It cannot be started or ends before the stage.
    pub fn hold(&self, model: &Path, stage: Stage, layers: Layers) -> Setup<Held> {
        let (mut rings, given) = core_ring::create(&Layout::new(KIND_MAX))?;
        for record in [ToWorker::Config(self.config()), ToWorker::Go] {
            let (kind, payload) = record.encode()?;
            rings.jobs.push(kind, &payload)?;
        }
        rings.jobs.publish();
        let (mut log, log_in_worker) = std::io::pipe()?;
        let mappings = vec![
            mapping(given.bell, fds::BELL),
            mapping(given.b, fds::RING_B),
            mapping(given.w, fds::RING_W),
            mapping(File::open(model)?.into(), fds::MODEL_FIRST),
        ];
        let mut command = self.stopped_worker();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_in_worker);
        let child = command.fd_mappings(mappings)?.spawn()?;
        let stopped =
            || processes::status_field(child.id(), "State")?.starts_with('T').then_some(());
        processes::wait_for(STOP_MAX, stopped).ok_or("the process did not stop itself")?;
        let tracee = Tracee::seize_until_exec(child.id())?;
        // The command keeps the log's write end, and with it the log open.
        drop(command);
        if let Err(error) = run_to(&tracee, stage, layers) {
            let mut said = String::new();
            log.read_to_string(&mut said)?;
            return Err(format!("{error}; the worker said: {}", said.trim()).into());
        }
        Ok(Held { tracee, child, _rings: (rings, log) })
    }

    /// The worker behind a shell that stops itself first, so that it can be traced from its exec.
    fn stopped_worker(&self) -> Command {
        let mut command = Command::new("/bin/bash");
        command.args(["-c", STOPPED]);
        command.arg(self.install.program("core-worker"));
        command.env_clear().envs(env::worker_env(2));
        command
    }

    fn config(&self) -> WorkerConfig {
        let serve = Serve {
            variant: self.install.engine().join(self.variant).to_string_lossy().into_owned(),
            backends: Vec::new(),
            parts: 1,
            adapters: Vec::new(),
            load: Load::Weights,
            n_ctx: 256,
            slots: 2,
            threads: 2,
            n_batch: 256,
            n_ubatch: 256,
            step_ms_max: 100,
            idle_cells_max: 32,
            kv: KvType::F16,
            weights: Weights::Shared,
            gpu_layers: 0,
        };
        WorkerConfig {
            purpose: Purpose::Serve(serve),
            broker_pid: std::process::id(),
            canaries: vec!["/etc/passwd".into()],
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // A worker that an injection already killed is only collected.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mapping(parent_fd: OwnedFd, child_fd: i32) -> FdMapping {
    FdMapping { parent_fd, child_fd }
}

fn run_to(tracee: &Tracee, stage: Stage, layers: Layers) -> Setup<Call> {
    let mut filters = 0;
    let load = seccomp::filters(seccomp::Stage::Load);
    let serve = load + seccomp::filters(seccomp::Stage::Serve);
    tracee.run_until(|call| {
        let (layer, complete) = match call.number.cast_signed() {
            nix::libc::SYS_landlock_restrict_self => (Layers::NoLandlock, stage == Stage::Landlock),
            nix::libc::SYS_seccomp if call.arguments[0] == SET_MODE_FILTER => {
                filters += 1;
                let wanted = if stage == Stage::Load { load } else { serve };
                (Layers::NoSeccomp, stage != Stage::Landlock && filters == wanted)
            }
            _ => return Verdict::Pass,
        };
        match (layer == layers, complete) {
            (false, false) => Verdict::Pass,
            (false, true) => Verdict::Hold,
            (true, false) => Verdict::Remove,
            (true, true) => Verdict::RemoveAndHold,
        }
    })
}

/// `SECCOMP_SET_MODE_FILTER` of seccomp(2).
const SET_MODE_FILTER: u64 = 1;
