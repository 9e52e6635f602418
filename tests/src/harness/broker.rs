//! The real broker with the real worker, and `corectl` against it.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;

use super::{Install, Setup, processes};

/// How long a broker may take until it listens. It parses no model; seconds mean something hangs.
const READY_MAX: Duration = Duration::from_secs(20);
/// How long a broker may take to end: its drain time and then some.
const END_MAX: Duration = Duration::from_secs(20);

/// A running broker; killed, with its workers, when it is dropped.
pub struct Broker {
    /// Where it is installed.
    pub install: Arc<Install>,
    child: Child,
}

/// What `corectl` answered.
#[derive(Debug)]
pub struct Output {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// Each line of its standard output that is JSON.
    pub lines: Vec<Value>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// The lines with this `event`.
    pub fn events<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines.iter().filter(move |line| line["event"] == event)
    }

    /// The ids of all token lines.
    pub fn tokens(&self) -> Vec<u64> {
        self.events("token").filter_map(|line| line["id"].as_u64()).collect()
    }

    /// The texts of all token lines, one after another.
    pub fn text(&self) -> String {
        self.events("token").filter_map(|line| line["text"].as_str()).collect()
    }

    /// The code name of the error line, empty when there is none.
    pub fn error(&self) -> &str {
        self.events("error").find_map(|line| line["name"].as_str()).unwrap_or("")
    }
}

impl Broker {
    /// Starts a broker with the model that ships.
    ///
    /// # Errors
    /// It does not become ready; its log is in the error.
    pub fn with_story() -> Setup<Self> {
        let install = Install::new()?;
        install.add_story()?;
        Self::start(install, &[])
    }

    /// Starts a broker with the model `long`, whose streams take seconds.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub fn with_long() -> Setup<Self> {
        let install = Install::new()?;
        install.add_long()?;
        Self::start(install, &[])
    }

    /// Starts a broker on an installation.
    ///
    /// # Errors
    /// It does not become ready; its log is in the error.
    pub fn start(install: impl Into<Arc<Install>>, more: &[&str]) -> Setup<Self> {
        Self::start_behind(&[], install, more)
    }

    /// Starts a broker by a command that becomes it: a wrapper and its arguments.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub fn start_behind(
        wrapper: &[String],
        install: impl Into<Arc<Install>>,
        more: &[&str],
    ) -> Setup<Self> {
        let install = install.into();
        let log = File::create(install.path().join("broker.log"))?;
        let mut command = serve(&install, wrapper);
        command.args(more).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let broker = Self { install, child };
        match first_line(stdout) {
            Some(line) if line.contains("\"ready\":true") => Ok(broker),
            other => Err(format!("no ready line but {other:?}: {}", broker.log()).into()),
        }
    }

    /// Starts a broker on the installation of one that has ended.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub fn again(&self) -> Setup<Self> {
        Self::start(Arc::clone(&self.install), &[])
    }

    /// The broker's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the broker logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.install.path().join("broker.log")).unwrap_or_default()
    }

    /// The workers that run now, throwaway ones included.
    pub fn workers(&self) -> Vec<u32> {
        processes::children(self.pid())
    }

    /// A `corectl` command line, ready to be spawned.
    pub fn corectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.install.program("corectl"));
        command.env("CORE_SOCKET", self.install.socket());
        command.env("CORE_TOKEN_FILE", self.install.token_file());
        command.arg("--json").args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs `corectl --json` to its end.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn corectl(&self, arguments: &[&str]) -> Output {
        let output = self.corectl_command(arguments).output().expect("corectl starts");
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        Output {
            code: output.status.code().unwrap_or(-1),
            lines: stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
            stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Loads a model and answers its worker's process id.
    ///
    /// # Panics
    /// The model does not load.
    pub fn load(&self, model: &str) -> u32 {
        self.try_load(model).expect("the model loads")
    }

    /// As [`Broker::load`], for those who go on when it does not.
    ///
    /// # Errors
    /// What `corectl` said, and the broker's log.
    pub fn try_load(&self, model: &str) -> Setup<u32> {
        let loaded = self.corectl(&["load", model]);
        if loaded.code != 0 {
            return Err(format!("load {model}: {loaded:?}\n{}", self.log()).into());
        }
        Ok(self.worker(model).ok_or("a loaded model has a worker")?)
    }

    /// The process id of a model's worker.
    pub fn worker(&self, model: &str) -> Option<u32> {
        let status = self.corectl(&["status"]);
        let workers = status.lines.first()?["workers"].as_array()?.clone();
        let worker = workers.iter().find(|worker| worker["model"] == model)?;
        worker["pid"].as_u64()?.try_into().ok()
    }

    /// Sends the broker a signal.
    ///
    /// # Panics
    /// The process is gone.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.pid().cast_signed());
        nix::sys::signal::kill(pid, signal).expect("the broker runs");
    }

    /// Waits for the broker's end; `None` when it does not come.
    pub fn wait(&mut self) -> Option<ExitStatus> {
        processes::wait_for(END_MAX, || self.child.try_wait().ok().flatten())
    }

    /// A path beneath the installation.
    pub fn path(&self, name: &str) -> PathBuf {
        self.install.path().join(name)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Workers have the broker's death as their own; nothing else is to be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command line of a broker on an installation, behind a wrapper that becomes it.
pub fn serve(install: &Install, wrapper: &[String]) -> Command {
    let broker = install.program("core-broker").to_string_lossy().into_owned();
    let words: Vec<&String> = wrapper.iter().chain([&broker]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg("serve").arg("--root").arg(install.root());
    command.arg("--socket").arg(install.socket());
    command.arg("--token-file").arg(install.token_file());
    if nix::unistd::geteuid().is_root() {
        command.arg("--user").arg(install.uid.to_string());
    }
    command
}

/// The first line that `stdout` gives within the limit, read by a thread of its own.
fn first_line(stdout: std::process::ChildStdout) -> Option<String> {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        // The receiver may have given up; then nobody needs the line.
        let _ = send.send(read.map(|_| line).unwrap_or_default());
    });
    receive.recv_timeout(READY_MAX).ok()
}
