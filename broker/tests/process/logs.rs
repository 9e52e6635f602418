//! Log lines: they hold nothing up and tell no secret.

use std::{
    fs,
    io::{Read, Write},
    process::Stdio,
    time::{Duration, Instant},
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::{
    client::closed,
    harness::{Broker, Site, wait},
};

/// Enough violations to fill a pipe of a page many times over.
const LINES: usize = 300;

fn violate(site: &Site) {
    let mut client = site.client();
    client.stream.write_all(&[0; 4]).unwrap();
    assert_eq!(closed(&client.stream), 0);
}

#[test]
fn a_full_standard_error_holds_nothing_up_and_keeps_its_flags() {
    let site = Site::new();
    let (mut reader, writer) = std::io::pipe().unwrap();
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    let mut child = site
        .with_token_file()
        .stdout(Stdio::piped())
        .stderr(writer.try_clone().unwrap())
        .spawn()
        .unwrap();
    let mut ready = [0; 1];
    child.stdout.take().unwrap().read_exact(&mut ready).unwrap();
    (0..LINES).for_each(|_| violate(&site));
    site.client().works();
    let flags = OFlag::from_bits_retain(fcntl(&writer, FcntlArg::F_GETFL).unwrap());
    assert!(!flags.contains(OFlag::O_NONBLOCK), "the flags are ours as well");
    let mut some = [0; 4096];
    let read = reader.read(&mut some).unwrap();
    let text = String::from_utf8_lossy(&some[..read]);
    assert!(text.starts_with(|c: char| c.is_ascii_digit()), "{text}");
    child.kill().unwrap();
    wait(&mut child);
}

#[test]
fn json_lines_are_json() {
    let site = Site::new();
    let mut command = site.with_token_file();
    command.args(["--log-format", "json"]);
    let mut broker = Broker::start(command);
    violate(&site);
    broker.signal(nix::sys::signal::Signal::SIGTERM);
    broker.wait();
    let log = broker.log.lock().unwrap().clone();
    assert!(log.lines().count() >= 2, "{log}");
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("{line}"));
    }
}

#[test]
fn the_token_is_nowhere_to_be_read() {
    let mut site = Site::new();
    // Text, so that it would show in a log, an argument or the environment as it is.
    site.token = b"a-token-that-must-never-be-seen-anywhere".to_vec();
    fs::write(site.path("token"), &site.token).unwrap();
    let broker = site.start();
    site.client().works();
    violate(&site);
    let token = "a-token-that-must-never-be-seen";
    for file in ["cmdline", "environ"] {
        // The environment of a process that is not dumpable can be read by root alone.
        let path = format!("/proc/{}/{file}", broker.pid());
        let bytes = fs::read(path).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains(token), "{file}");
    }
    let read = || broker.log.lock().unwrap().clone();
    // Another thread of this test reads it.
    let end = Instant::now() + Duration::from_secs(5);
    while !read().contains("listening") && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    let log = read();
    assert!(log.contains("listening") && !log.contains(token), "{log}");
}
