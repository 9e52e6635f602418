//! A single worker on the bench: the test plays the broker, holds the shipped worker at a stage of
//! its boot, and may have taken a layer away. This is how a denial gets its positive control.

use std::{
    fs::File,
    io::Read,
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use core_policy::{env, fds};
use core_ring::{BrokerEnd, Layout};
use core_wire::worker::{
    KIND_MAX, Purpose, ToWorker, WorkerConfig,
    config::{KvType, Load, Serve, Weights},
};

use super::{
    Install, Setup,
    layers::{Edit, Layers, Stage, run_to},
    processes,
};
use crate::trace::Tracee;

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
        self.hold_edited(model, stage, &mut |_, call| layers.answer(call))
    }

    /// As [`Bench::hold`], with every call on the way shown to `edit` first: it may change what the
    /// call is about, or answer in the kernel's place.
    ///
    /// # Errors
    /// It cannot be started or ends before the stage.
    pub fn hold_edited(&self, model: &Path, stage: Stage, edit: &mut Edit<'_>) -> Setup<Held> {
        let (mut rings, given) = core_ring::create(&Layout::new(KIND_MAX))?;
        for record in [ToWorker::Config(self.config()), ToWorker::Go] {
            let (kind, payload) = record.encode()?;
            rings.jobs.push(kind, &payload)?;
        }
        rings.jobs.publish();
        let (mut log, log_in_worker) = std::io::pipe()?;
        // As a broker's, which has the worker's user.
        let owner = Some(self.install.uid);
        std::os::unix::fs::fchown(&log_in_worker, owner, owner)?;
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
        if let Err(error) = run_to(&tracee, stage, edit) {
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
        command.env_clear().envs(env::worker_env(2)).current_dir(self.directory());
        if nix::unistd::geteuid().is_root() {
            // As the broker starts it: a worker is never root.
            command.uid(self.install.uid).gid(self.install.uid);
        }
        command
    }

    /// Where a core would be left: a directory of the worker's own user when there is one.
    fn directory(&self) -> std::path::PathBuf {
        let own = self.install.path().join("target");
        if own.is_dir() { own } else { self.install.path().to_owned() }
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
