//! Frames after the handshake: every violation ends its connection and nothing else.

use std::{
    io::{IoSlice, Write},
    os::fd::{AsRawFd, RawFd},
};

use core_wire::{client::Event, code::Code, ids::SessionId};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

use crate::{
    client::closed,
    harness::{Broker, Site},
};

/// Most descriptors that the kernel lets one message carry (SCM_MAX_FD).
const DESCRIPTORS: usize = 253;

#[test]
fn lengths_that_are_not_allowed_close_the_connection() {
    let site = Site::new();
    let _broker = site.start();
    let mut good = site.client();
    for length in [0, (1 << 20) + 1, u32::MAX] {
        let mut client = site.client();
        client.stream.write_all(&length.to_le_bytes()).unwrap();
        assert_eq!(closed(&client.stream), 0, "length {length}");
    }
    good.works();
}

#[test]
fn announcing_much_reserves_little() {
    let site = Site::new();
    let broker = site.start();
    let before = allocated_kib(&broker);
    let announcing: Vec<_> = (0..64)
        .map(|_| {
            let mut client = site.client();
            client.stream.write_all(&(1_u32 << 20).to_le_bytes()).unwrap();
            client.stream.write_all(b"and no more").unwrap();
            client
        })
        .collect();
    site.client().works();
    let grown = allocated_kib(&broker).saturating_sub(before);
    assert!(grown < 16 << 10, "64 announced megabytes took {grown} KiB");
    drop(announcing);
}

fn allocated_kib(broker: &Broker) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", broker.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmData:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_frame_cut_short_closes_without_harm() {
    let site = Site::new();
    let _broker = site.start();
    let mut client = site.client();
    let body = client.body("x");
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    client.stream.write_all(&length).unwrap();
    client.stream.write_all(&body[..body.len() - 1]).unwrap();
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(closed(&client.stream), 0);
    site.client().works();
}

#[test]
fn a_broken_frame_is_told_for_its_request_and_then_closed() {
    let site = Site::new();
    let _broker = site.start();
    let mut client = site.client();
    let body = [client.body("mine").as_slice(), b"trailing"].concat();
    client.send(&body);
    let frame = client.receive().unwrap();
    assert_eq!(frame.id.as_str(), "mine");
    let Event::Error(refusal) = frame.event else { panic!("{:?}", frame.event) };
    assert_eq!(refusal.code, Code::BadFrame);
    assert_eq!(closed(&client.stream), 0);
}

#[test]
fn a_frame_without_a_readable_request_id_is_just_closed() {
    let site = Site::new();
    let _broker = site.start();
    for body in [vec![0xff; 40], vec![1], [&[7; 16][..], &[0]].concat()] {
        let mut client = site.client();
        client.send(&body);
        assert_eq!(closed(&client.stream), 0, "{body:?}");
    }
}

#[test]
fn a_session_id_is_good_on_its_own_connection_only() {
    let site = Site::new();
    let _broker = site.start();
    let mut owner = site.client();
    let mut thief = site.client();
    thief.session = owner.session;
    let body = thief.body("stolen");
    thief.send(&body);
    assert_eq!(closed(&thief.stream), 0);
    let mut guesser = site.client();
    guesser.session = SessionId([0; 16]);
    let body = guesser.body("guessed");
    guesser.send(&body);
    assert_eq!(closed(&guesser.stream), 0);
    owner.works();
}

#[test]
fn many_requests_in_one_write_are_all_answered() {
    let site = Site::new();
    let _broker = site.start();
    let mut client = site.client();
    let mut all = Vec::new();
    for n in 0..50 {
        let body = client.body(&format!("r{n}"));
        all.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
        all.extend_from_slice(&body);
    }
    client.stream.write_all(&all).unwrap();
    let mut ids: Vec<_> =
        (0..50).map(|_| client.receive().unwrap().id.as_str().to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
}

#[test]
fn descriptors_that_a_client_attaches_never_arrive() {
    let site = Site::new();
    let broker = site.start();
    let (reader, writer) = std::io::pipe().unwrap();
    let many: Vec<RawFd> = vec![writer.as_raw_fd(); DESCRIPTORS];
    let mut client = site.client();
    let before = broker.descriptors();
    let body = client.body("with descriptors");
    let frame = [&u32::try_from(body.len()).unwrap().to_le_bytes(), body.as_slice()].concat();
    let attached = [ControlMessage::ScmRights(&many)];
    let parts = [IoSlice::new(&frame)];
    let none: Option<&UnixAddr> = None;
    let socket = client.stream.as_raw_fd();
    let sent = sendmsg(socket, &parts, &attached, MsgFlags::empty(), none).unwrap();
    assert_eq!(sent, frame.len());
    assert_eq!(client.receive().unwrap().id.as_str(), "with descriptors");
    assert_eq!(broker.descriptors(), before, "descriptors of a client stayed open");
    // The end of the pipe comes only when nobody holds a writer: not the broker, not the kernel.
    drop(writer);
    assert_eq!(std::io::Read::read(&mut { reader }, &mut [0]).unwrap(), 0);
}
