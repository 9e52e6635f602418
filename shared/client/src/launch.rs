//! Starts a broker that lives and dies with the program that started it.
//!
//! Three descriptors tie the two together: the token goes through the broker's standard input, the
//! ready line comes back through its standard output, and a control pipe stays open for as long as
//! this program lives: at its end the broker drains and exits. Only the control pipe needs a
//! descriptor above 2. Its read end loses close-on-exec in this process for the moment of the
//! start; another child that is started at that very moment would inherit it, and could do nothing
//! with it: it is the write end that keeps the broker alive.

use std::{
    ffi::OsString,
    io::{self, PipeReader, PipeWriter},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde::Deserialize;
use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{
    limits::{READY_LINE_BYTES_MAX, READY_MAX, STOP_MAX},
    token::Token,
};

/// How to start a broker.
///
/// ```no_run
/// # use core_client::{Client, Launch, Token};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let token = Token::random()?;
/// let launch = Launch::new("core-broker", "/srv/core", "/run/core/core.sock");
/// let broker = launch.start(&token).await?;
/// let client = Client::connect(broker.socket(), &token).await?;
/// println!("broker {}", client.status().await?.broker.version);
/// drop(client);
/// broker.stop().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Launch {
    program: PathBuf,
    socket: PathBuf,
    options: Vec<OsString>,
    log: Stdio,
}

impl Launch {
    /// A broker from `program`, on the directory `root`, listening at `socket`.
    pub fn new(
        program: impl Into<PathBuf>,
        root: impl Into<PathBuf>,
        socket: impl Into<PathBuf>,
    ) -> Self {
        let root: PathBuf = root.into();
        let launch = Self {
            program: program.into(),
            socket: socket.into(),
            options: Vec::new(),
            log: Stdio::inherit(),
        };
        launch.option("--root", root)
    }

    /// One more option of `core-broker serve`, such as `--user` or `--config`.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.options.extend([name.into(), value.into()]);
        self
    }

    /// Where its log goes; by default where this program's standard error goes.
    #[must_use]
    pub fn log(mut self, log: impl Into<Stdio>) -> Self {
        self.log = log.into();
        self
    }

    /// Starts it, hands it `token`, and waits until it listens: at most [`READY_MAX`]. A broker
    /// that does not come up is killed.
    ///
    /// # Errors
    /// [`LaunchError`].
    pub async fn start(self, token: &Token) -> Result<Broker, LaunchError> {
        let (watched, control) = io::pipe().map_err(LaunchError::Pipe)?;
        let mut child = self.spawn(watched)?;
        let greeting = timeout(READY_MAX, greet(&mut child, token)).await;
        let ready = greeting.unwrap_or(Err(LaunchError::Slow))?;
        Ok(Broker { child, control, ready })
    }

    /// Starts the process; `watched` is closed here when it runs.
    fn spawn(self, watched: PipeReader) -> Result<Child, LaunchError> {
        fcntl(&watched, FcntlArg::F_SETFD(FdFlag::empty()))
            .map_err(|errno| LaunchError::Pipe(errno.into()))?;
        let mut command = Command::new(&self.program);
        command.args(["serve", "--token-fd", "0", "--ready-fd", "1"]);
        command.arg("--control-fd");
        command.arg(watched.as_raw_fd().to_string());
        command.arg("--socket").arg(&self.socket).args(self.options);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(self.log).kill_on_drop(true);
        command.spawn().map_err(|source| LaunchError::Start { program: self.program, source })
    }
}

/// A running broker. Dropping it kills the process, and its workers within 100 ms of that;
/// [`Broker::stop`] lets it finish what runs.
#[derive(Debug)]
pub struct Broker {
    child: Child,
    /// Kept open: its end tells the broker that this program is gone.
    control: PipeWriter,
    ready: Ready,
}

impl Broker {
    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.ready.socket
    }

    /// What it said when it was ready.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Waits until it ends by itself, as after a shutdown request or a fault.
    ///
    /// # Errors
    /// The kernel's, when the process cannot be waited for.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Lets it finish what runs and end; kills it when that takes longer than [`STOP_MAX`].
    ///
    /// # Errors
    /// The kernel's, when the process cannot be killed or waited for.
    pub async fn stop(self) -> io::Result<ExitStatus> {
        let Self { mut child, control, .. } = self;
        drop(control);
        match timeout(STOP_MAX, child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                child.kill().await?;
                child.wait().await
            }
        }
    }
}

/// What a broker says when it listens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Ready {
    /// Its process id.
    pub pid: u32,
    /// Where it listens.
    pub socket: PathBuf,
    /// The protocol that it speaks, such as `1.0`.
    pub protocol: String,
    /// Its version.
    pub version: String,
}

/// Why a broker did not come up.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// No control pipe.
    #[error("no pipe to the broker: {0}")]
    Pipe(#[source] io::Error),
    /// The program does not start.
    #[error("{} does not start: {source}; is it built, and is that its path?", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// It ended before it was ready. The codes are those of sysexits: 64 usage, 69 a required
    /// protection is missing, 70 fault, 73 socket or root, 77 root refused, 78 configuration.
    #[error("the broker ended before it was ready ({status}); its log says why")]
    Ended {
        /// How.
        status: ExitStatus,
    },
    /// It was not ready in time.
    #[error("the broker was not ready within {} s; its log says why", READY_MAX.as_secs())]
    Slow,
    /// What it said is no ready line.
    #[error("the program's first line is not a broker's ready line; is it core-broker?")]
    Greeting,
}

async fn greet(child: &mut Child, token: &Token) -> Result<Ready, LaunchError> {
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(LaunchError::Pipe(io::ErrorKind::BrokenPipe.into()));
    };
    // A broker that closes its input early has a reason, which its exit status tells.
    let _unread = input.write_all(token.bytes()).await;
    drop(input);
    let line = read_line(output).await?;
    if line.is_empty() {
        let status = child.wait().await.map_err(LaunchError::Pipe)?;
        return Err(LaunchError::Ended { status });
    }
    serde_json::from_str(&line).map_err(|_| LaunchError::Greeting)
}

/// The first line, or what there is of it within [`READY_LINE_BYTES_MAX`].
async fn read_line(output: ChildStdout) -> Result<String, LaunchError> {
    let mut line = String::new();
    let mut output = BufReader::new(output.take(READY_LINE_BYTES_MAX as u64));
    let read = output.read_line(&mut line).await;
    read.map_err(|_| LaunchError::Greeting)?;
    Ok(line)
}
