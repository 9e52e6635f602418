//! A site to start brokers in, and a broker that ends with its test.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Who the broker becomes when the tests run as root; any number that no user has.
pub(crate) const BROKER_UID: u32 = 61234;
/// How long anything that should happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Whether only root can arrange what a test needs; says so when it is not.
pub(crate) fn needs_root(test: &str) -> bool {
    let root = own_uid() == 0;
    if !root {
        // Not through print!, whose words the test runner keeps to itself.
        let words = format!("left out: {test} needs root\n");
        std::io::stdout().write_all(words.as_bytes()).unwrap();
    }
    root
}

pub(crate) fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// A directory with binaries, a root directory, a token, and a name for a socket.
pub(crate) struct Site {
    pub(crate) base: TempDir,
    pub(crate) token: Vec<u8>,
}

impl Site {
    pub(crate) fn new() -> Self {
        let open = fs::Permissions::from_mode(0o755);
        let base = tempfile::Builder::new().permissions(open).tempdir().unwrap();
        let bin = base.path().join("bin");
        fs::create_dir_all(bin.join("engine")).unwrap();
        fs::create_dir_all(base.path().join("root/models")).unwrap();
        fs::write(bin.join("engine/libggml-cpu-x64.so"), b"").unwrap();
        fs::copy("/bin/true", bin.join("core-worker")).unwrap();
        place_broker(&bin.join("core-broker"));
        let mut token = vec![0; 48];
        getrandom::fill(&mut token).unwrap();
        // As a file's content it must not end in what would be dropped.
        token[47] |= 0x80;
        let file = base.path().join("token");
        fs::write(&file, &token).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        if own_uid() == 0 {
            give_away(&base.path().join("root"));
            give_away(&base.path().join("root/models"));
        }
        Self { base, token }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("run/b.sock")
    }

    /// The command without a token.
    pub(crate) fn serve(&self) -> Command {
        let mut command = self.serve_as_is();
        if own_uid() == 0 {
            command.args(["--user", &BROKER_UID.to_string()]);
        }
        command
    }

    /// The command without a token and without `--user`.
    pub(crate) fn serve_as_is(&self) -> Command {
        let mut command = Command::new(self.path("bin/core-broker"));
        command.arg("serve").arg("--root").arg(self.path("root"));
        command.arg("--socket").arg(self.socket()).stdin(Stdio::null());
        command
    }

    pub(crate) fn with_token_file(&self) -> Command {
        let mut command = self.serve();
        command.arg("--token-file").arg(self.path("token"));
        command
    }

    pub(crate) fn start(&self) -> Broker {
        Broker::start(self.with_token_file())
    }

    /// The same command behind a shell that moves descriptors first.
    pub(crate) fn redirected(&self, redirections: &str, args: &[&str]) -> Command {
        let serve = self.serve();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("exec \"$@\" {redirections}"), "sh"]);
        command.arg(serve.get_program()).args(serve.get_args()).args(args);
        command
    }

    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

fn give_away(path: &Path) {
    std::os::unix::fs::chown(path, Some(BROKER_UID), Some(BROKER_UID)).unwrap();
}

/// A link where the target directory is on the same file system, a copy elsewhere.
fn place_broker(to: &Path) {
    let built = Path::new(env!("CARGO_BIN_EXE_core-broker"));
    if fs::hard_link(built, to).is_err() {
        fs::copy(built, to).unwrap();
    }
}

/// A running broker; ended by its own number when dropped.
pub(crate) struct Broker {
    pub(crate) child: Child,
    pub(crate) ready: serde_json::Value,
    pub(crate) log: Arc<Mutex<String>>,
}

impl Broker {
    /// Starts it and waits for the ready line on its standard output.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = gather(child.stderr.take().unwrap());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("no ready line but {line:?}; log: {}", log.lock().unwrap()));
        Self { child, ready, log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.pid()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Descriptors that it has open; readable for root and never for its own user (dumpable 0).
    pub(crate) fn descriptors(&self) -> Option<usize> {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).ok().map(Iterator::count)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn gather(mut from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let log = Arc::new(Mutex::new(String::new()));
    let to = Arc::clone(&log);
    std::thread::spawn(move || {
        let mut part = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut part) {
            to.lock().unwrap().push_str(&String::from_utf8_lossy(&part[..read]));
        }
    });
    log
}

pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    panic!("the broker did not end within {PATIENCE:?}");
}

/// Runs a command that should refuse to start; its exit code and what it said.
pub(crate) fn refused(mut command: Command) -> (Option<i32>, String) {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let code = wait(&mut child).code();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (code, said)
}

/// Expects an exit code and a word in the sentence that explains it.
pub(crate) fn expect_refusal(command: Command, code: i32, word: &str) {
    let (got, said) = refused(command);
    assert_eq!(got, Some(code), "{said}");
    assert!(said.contains(word), "{word:?} is not in {said:?}");
}
