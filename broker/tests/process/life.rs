//! From the ready line to the end: descriptors, signals, and what is left behind.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::harness::{Broker, PATIENCE, Site, own_uid, wait};

/// Long enough that a broker which ends by mistake has ended.
const A_MOMENT: Duration = Duration::from_millis(300);

#[test]
fn the_ready_line_is_the_contracts() {
    let site = Site::new();
    let broker = site.start();
    let socket = site.socket();
    let expected = serde_json::json!({
        "ready": true,
        "pid": broker.pid(),
        "socket": socket.to_str().unwrap(),
        "protocol": "1.0",
        "version": env!("CARGO_PKG_VERSION"),
    });
    assert_eq!(broker.ready, expected);
    site.client().works();
}

#[test]
fn a_ready_descriptor_gets_the_line_and_is_closed() {
    let site = Site::new();
    let token = site.path("token");
    let args = ["--token-file", token.to_str().unwrap(), "--ready-fd", "5"];
    let mut child = site
        .redirected("5>&1 >/dev/null", &args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut all = String::new();
    child.stdout.take().unwrap().read_to_string(&mut all).unwrap();
    assert_eq!(all.matches('\n').count(), 1, "{all:?}");
    assert!(serde_json::from_str::<serde_json::Value>(&all).unwrap()["ready"] == true);
    assert!(child.try_wait().unwrap().is_none(), "it ended with its ready line");
    child.kill().unwrap();
    wait(&mut child);
}

#[test]
fn a_token_descriptor_serves_as_well_as_a_file() {
    let site = Site::new();
    for number in ["0", "6"] {
        let redirection = if number == "0" { "" } else { "6<&0 </dev/null" };
        let mut command = site.redirected(redirection, &["--token-fd", number]);
        let fed = fs::File::open(site.path("token")).unwrap();
        let _broker = Broker::start({
            command.stdin(fed);
            command
        });
        site.client().works();
    }
}

#[test]
fn the_end_of_the_control_descriptor_drains_and_its_bytes_do_nothing() {
    for socket in [false, true] {
        let site = Site::new();
        let (mut ours, mut command) = control(&site, socket);
        command.arg("--token-file").arg(site.path("token"));
        let mut broker = Broker::start(command);
        ours.write_all(b"bytes that mean nothing").unwrap();
        std::thread::sleep(A_MOMENT);
        assert!(broker.is_running());
        site.client().works();
        drop(ours);
        assert_eq!(broker.wait().code(), Some(0));
        assert!(!site.socket().exists(), "the socket's name was left behind");
    }
}

/// The writing end of a control descriptor, and a command whose standard input is the other.
fn control(site: &Site, socket: bool) -> (Box<dyn Write>, Command) {
    let mut command = site.redirected("", &["--control-fd", "0"]);
    if socket {
        let (ours, theirs) = UnixStream::pair().unwrap();
        command.stdin(std::os::fd::OwnedFd::from(theirs));
        return (Box::new(ours), command);
    }
    let (theirs, ours) = std::io::pipe().unwrap();
    command.stdin(theirs);
    (Box::new(ours), command)
}

#[test]
fn terminate_and_interrupt_end_it_cleanly_and_hangup_does_not() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let site = Site::new();
        let mut broker = site.start();
        broker.signal(Signal::SIGHUP);
        broker.signal(Signal::SIGPIPE);
        std::thread::sleep(A_MOMENT);
        assert!(broker.is_running(), "SIGHUP or SIGPIPE ended it");
        site.client().works();
        broker.signal(signal);
        assert_eq!(broker.wait().code(), Some(0), "{signal}");
        assert!(!site.socket().exists());
    }
}

#[test]
fn after_a_kill_the_next_start_takes_the_place() {
    let site = Site::new();
    let mut broker = site.start();
    broker.signal(Signal::SIGKILL);
    broker.wait();
    assert!(site.socket().exists(), "a killed broker cannot remove its socket");
    fs::write(site.path("root/temp/left"), b"x").unwrap();
    let _next = site.start();
    site.client().works();
    assert!(!site.path("root/temp/left").exists());
}

#[test]
fn it_starts_without_standard_streams() {
    let site = Site::new();
    let token = site.path("token");
    let mut child = site
        .redirected(">&- 2>&- <&-", &["--token-file", token.to_str().unwrap()])
        .spawn()
        .unwrap();
    let until = Instant::now() + PATIENCE;
    while !site.socket().exists() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    site.client().works();
    child.kill().unwrap();
    wait(&mut child);
}

#[test]
fn an_idle_broker_sleeps() {
    let site = Site::new();
    let broker = site.start();
    let mut client = site.client();
    client.works();
    std::thread::sleep(A_MOMENT);
    let before = switches(&broker);
    std::thread::sleep(Duration::from_secs(2));
    let woken = switches(&broker) - before;
    assert!(woken <= 1, "an idle broker woke {woken} times in two seconds");
    client.works();
}

fn switches(broker: &Broker) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", broker.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn it_runs_with_no_rights_and_a_filter() {
    let site = Site::new();
    let broker = site.start();
    let status = fs::read_to_string(format!("/proc/{}/status", broker.pid())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_once(':').unwrap().1.trim().to_owned()
    };
    // The main thread, and the one that hashes model files once it has started (decision D1).
    assert!(["1", "2"].contains(&field("Threads").as_str()), "{} threads", field("Threads"));
    assert_eq!(field("NoNewPrivs"), "1");
    assert_eq!(field("Seccomp"), "2");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(u64::from_str_radix(&field(set), 16), Ok(0), "{set}");
    }
    if own_uid() == 0 {
        assert_eq!(field("Uid"), ["61234"; 4].join("\t"));
        assert_eq!(field("Groups"), "");
    }
}
