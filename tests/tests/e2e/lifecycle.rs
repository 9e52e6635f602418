//! Beginnings and ends: signals, drains, and what is left when the broker is killed.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use core_tests::harness::{Broker, Install, processes};
use nix::sys::signal::Signal;

/// The number of kills.
const KILLS: u32 = 100;
/// How long a worker may outlive its broker.
const ORPHAN_MAX: Duration = Duration::from_millis(100);

/// L01: whatever the broker was doing when it was killed, no worker outlives it.
#[test]
fn a_killed_broker_leaves_no_worker() {
    let mut worst = Duration::ZERO;
    let mut seen = 0;
    let mut broker = Broker::with_story().expect("a broker");
    for round in 0..KILLS {
        let load = broker
            .corectl_command(&["run", "story", "Once", "-n", "2000", "--ignore-eos"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        // From before the fork to the middle of a stream, spread evenly.
        std::thread::sleep(Duration::from_millis(u64::from(round % 50) * 3));
        let workers = broker.workers();
        seen += workers.len();
        broker.signal(Signal::SIGKILL);
        let killed = Instant::now();
        let gone = || (!workers.iter().any(|pid| processes::alive(*pid))).then_some(());
        assert!(processes::wait_for(ORPHAN_MAX * 10, gone).is_some(), "{workers:?} live on");
        worst = worst.max(killed.elapsed());
        load.expect("corectl starts").wait().expect("corectl ends");
        broker.wait().expect("the broker was killed");
        broker = broker.again().expect("starts again at once, with nothing to repair");
    }
    println!("{KILLS} kills, {seen} workers, the last one gone after {worst:?}");
    assert!(seen > 0, "no round had a worker");
    assert!(worst <= ORPHAN_MAX, "a worker lived on for {worst:?}");
}

#[test]
fn a_terminated_broker_finishes_what_runs() {
    let mut broker = Broker::with_story().expect("a broker");
    let worker = broker.load("story");
    let run = broker
        .corectl_command(&["run", "story", "Once", "-n", "200", "--ignore-eos"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("corectl starts");
    broker.wait_until_busy();
    broker.signal(Signal::SIGTERM);
    let output = run.wait_with_output().expect("corectl ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("\"done\""), "{}", text.lines().last().unwrap_or_default());
    assert_eq!(broker.wait().and_then(|status| status.code()), Some(0));
    assert!(!processes::alive(worker));
    assert!(!broker.install.socket().exists(), "the socket is left behind");
}

#[test]
fn shutdown_ends_the_broker_well() {
    let mut broker = Broker::with_story().expect("a broker");
    broker.load("story");
    assert_eq!(broker.corectl(&["shutdown"]).code, 0);
    assert_eq!(broker.wait().and_then(|status| status.code()), Some(0));
    assert_eq!(broker.corectl(&["status"]).code, 69, "nobody listens any more");
}

#[test]
fn another_token_is_not_authenticated() {
    let broker = Broker::with_story().expect("a broker");
    broker.install.write_token(&"other-".repeat(8)).expect("written");
    assert_eq!(broker.corectl(&["status"]).code, 77);
}

/// L04: as root and without `--user` nothing starts.
#[test]
fn root_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: this test is not root, so there is no root to refuse");
        return;
    }
    let install = Install::new().expect("an installation");
    let status = std::process::Command::new(install.program("core-broker"))
        .args(["serve", "--root"])
        .arg(install.root())
        .arg("--socket")
        .arg(install.socket())
        .arg("--token-file")
        .arg(install.token_file())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert_eq!(status.expect("starts").code(), Some(77));
}

#[test]
fn the_broker_gave_up_root_for_good() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: this test is not root, so there was no root to give up");
        return;
    }
    let broker = Broker::with_story().expect("a broker");
    let uid = broker.install.uid.to_string();
    let ids = processes::status_field(broker.pid(), "Uid").expect("it runs");
    assert!(ids.split_whitespace().all(|id| id == uid), "{ids}");
    for set in ["CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"] {
        let value = processes::status_field(broker.pid(), set).expect("it runs");
        assert_eq!(value, "0000000000000000", "{set}");
    }
    assert_eq!(processes::status_field(broker.pid(), "NoNewPrivs").as_deref(), Some("1"));
    assert_eq!(processes::status_field(broker.pid(), "Seccomp").as_deref(), Some("2"));
    assert_eq!(processes::status_field(broker.pid(), "Groups").as_deref(), Some(""));
}
