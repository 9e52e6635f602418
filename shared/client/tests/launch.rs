//! A broker's launch, played by a shell script that does what the contract says of the real one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use core_client::{Launch, LaunchError, Token};
use tempfile::TempDir;

/// Finds the control descriptor among its options, and reads the token to its end.
const START: &str = r#"#!/bin/sh
echo "$@" > "$0.options"
while [ $# -gt 0 ]; do
    case "$1" in
        --control-fd) control=$2 ;;
        --socket) socket=$2 ;;
    esac
    shift
done
cat > "$0.token"
"#;
const READY: &str = r#"
printf '{"ready":true,"pid":%s,"socket":"%s","protocol":"1.0","version":"9.9.9"}\n' $$ "$socket"
"#;
/// Lives until the control pipe ends.
const SERVE: &str = "\ncat \"/proc/self/fd/$control\"\necho drained > \"$0.end\"\nexit 0\n";
/// Far above what a shell takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// One script at a time: while another test forks, its child holds what is being written here, and
/// a program that somebody may write cannot be executed (ETXTBSY, man 2 execve).
static ALONE: Mutex<()> = Mutex::new(());

struct Script {
    _dir: TempDir,
    path: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Script {
    fn new(parts: &[&str]) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("broker");
        fs::write(&path, parts.concat()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Self { _dir: dir, path, _alone: alone }
    }

    fn launch(&self) -> Launch {
        Launch::new(&self.path, "/srv/core", "/run/core.sock")
    }

    fn beside(&self, end: &str) -> Option<String> {
        fs::read_to_string(self.path.with_extension(end)).ok()
    }
}

#[tokio::test]
async fn a_broker_comes_up_and_ends_with_the_control_pipe() {
    let script = Script::new(&[START, READY, SERVE]);
    let token = Token::random().unwrap();
    let launch = script.launch().option("--user", "core");
    let broker = launch.start(&token).await.unwrap();
    assert_eq!(broker.socket().to_str(), Some("/run/core.sock"));
    assert_eq!(broker.ready().version, "9.9.9");
    let options = script.beside("options").unwrap();
    assert!(options.starts_with("serve --token-fd 0 --ready-fd 1 --control-fd "), "{options}");
    assert!(options.contains("--socket /run/core.sock --root /srv/core --user core"), "{options}");
    let handed = script.beside("token").unwrap();
    assert_eq!(handed.len(), 64, "256 bits in hexadecimal and nothing else");
    assert!(!options.contains(&handed), "the token is on the command line");
    assert_eq!(script.beside("end"), None, "it ended while Control lived");
    let status = broker.stop().await.unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(script.beside("end").as_deref(), Some("drained\n"));
}

#[tokio::test]
async fn dropping_a_broker_kills_it() {
    let script = Script::new(&[START, READY, "\nexec sleep 600\n"]);
    let broker = script.launch().start(&Token::random().unwrap()).await.unwrap();
    let proc = PathBuf::from(format!("/proc/{}/exe", broker.ready().pid));
    assert!(proc.exists());
    drop(broker);
    let started = std::time::Instant::now();
    // A process that was killed has no program any more, even before it is reaped.
    while fs::read_link(&proc).is_ok() {
        assert!(started.elapsed() < PATIENCE, "it lives on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_broker_that_refuses_to_start_says_so_by_its_code() {
    let script = Script::new(&[START, "\nexit 78\n"]);
    let error = script.launch().start(&Token::random().unwrap()).await;
    match error.expect_err("it ended") {
        LaunchError::Ended { status } => assert_eq!(status.code(), Some(78)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_program_that_says_something_else_is_no_broker() {
    let lines =
        ["\necho hello\n", "\necho '{\"ready\":false,\"pid\":1}'\n", "\nyes | tr -d '\\n'\n"];
    for line in lines {
        let script = Script::new(&[START, line]);
        let error = script.launch().start(&Token::random().unwrap()).await;
        let error = error.expect_err("no ready line");
        assert!(matches!(error, LaunchError::Greeting), "{error:?}");
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let launch = Launch::new("/nonexistent/core-broker", "/srv/core", "/run/core.sock");
    let error = launch.start(&Token::random().unwrap()).await.expect_err("no such program");
    assert!(error.to_string().contains("/nonexistent/core-broker"), "{error}");
}
