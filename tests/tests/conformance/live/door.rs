//! I rows: who gets in, and what those who should not can do.

use std::{
    io::{IoSlice, Read, Write},
    os::{
        fd::{AsRawFd, RawFd},
        unix::{
            fs::{MetadataExt, PermissionsExt},
            process::CommandExt,
        },
    },
    process::Command,
    time::{Duration, Instant},
};

use core_tests::harness::{Broker, Setup, processes};
use core_wire::{
    client::Request,
    handshake::{self, CHALLENGE_BYTES, NONCE_BYTES},
};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

use super::{
    client::{Client, closed, connect, guess, token},
    ensure, with_model,
};
use crate::skip::needs_root;

/// Grace for who proves nothing, and what a busy machine may add.
const GRACE: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_secs(6);
/// Most descriptors that the kernel lets one message carry (SCM_MAX_FD).
const DESCRIPTORS: usize = 253;
/// Somebody who is neither the broker's user nor root.
const STRANGER: u32 = 61_235;

/// I01: another user, by the socket's mode and, with that forced open, by the kernel's word.
pub(super) fn another_user() -> Setup<()> {
    needs_root("becoming another user")?;
    let broker = with_model()?;
    let by_mode = as_stranger(&broker)?;
    let open = |path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    open(broker.path("run"), 0o755)?;
    open(broker.install.socket(), 0o666)?;
    open(broker.install.token_file(), 0o600)?;
    std::os::unix::fs::chown(broker.install.token_file(), Some(STRANGER), None)?;
    let forced = as_stranger(&broker)?;
    ensure([69, 77].contains(&by_mode), || format!("by mode: exit {by_mode}"))?;
    ensure(forced == 77, || format!("by the kernel's word: exit {forced}"))?;
    ensure(broker.log().contains(&STRANGER.to_string()), || "nothing was logged".into())?;
    let own = broker.corectl(&["status"]);
    ensure(own.code == 0, || format!("invalid: nobody gets in: {own:?}"))
}

fn as_stranger(broker: &Broker) -> Setup<i32> {
    let mut command = broker.corectl_command(&["status"]);
    command.uid(STRANGER).gid(STRANGER);
    Ok(command.output()?.status.code().unwrap_or(-1))
}

/// I02: two hundred wrong tokens, among them beginnings and a longer one.
pub(super) fn wrong_tokens() -> Setup<()> {
    let broker = with_model()?;
    Client::of(&broker)?.works()?;
    let right = token(&broker)?;
    let mut flipped = right.clone();
    flipped[0] ^= 1;
    let longer = [right.as_slice(), b"x"].concat();
    let wrong = [&right[..right.len() - 1], &right[..1], b"", &longer, &flipped];
    for token in wrong.into_iter().cycle().take(200) {
        let came = guess(connect(&broker.install.socket())?, token)?;
        ensure(came == 0, || format!("{came} bytes came for a wrong token"))?;
    }
    Client::of(&broker)?.works()
}

/// I03: everything that a client ever sent, sent again.
pub(super) fn replay() -> Setup<()> {
    let broker = with_model()?;
    let mut client = Client::of(&broker)?;
    let mut again = connect(&broker.install.socket())?;
    again.write_all(&client.recorded.0)?;
    again.read_exact(&mut [0; CHALLENGE_BYTES])?;
    again.write_all(&client.recorded.1)?;
    let came = closed(&again)?;
    ensure(came == 0, || format!("{came} bytes came for a replay"))?;
    client.works()
}

/// I05: a session id on another connection.
pub(super) fn foreign_session() -> Setup<()> {
    let broker = with_model()?;
    let (mut owner, mut thief) = (Client::of(&broker)?, Client::of(&broker)?);
    thief.session = owner.session;
    let frame = thief.frame("stolen", Request::Models)?;
    thief.stream.write_all(&frame)?;
    let came = closed(&thief.stream)?;
    ensure(came == 0, || format!("{came} bytes came for a stolen session"))?;
    owner.works()
}

/// I06: two hundred who say nothing, and one byte a second.
pub(super) fn silence() -> Setup<()> {
    let broker = with_model()?;
    let mut honest = Client::of(&broker)?;
    let start = Instant::now();
    let socket = broker.install.socket();
    let silent: Vec<_> = (0..200).map(|_| connect(&socket)).collect::<Setup<_>>()?;
    honest.works()?;
    for stream in &silent {
        closed(stream)?;
    }
    let took = start.elapsed();
    ensure(took < GRACE + SLACK, || format!("silence was closed after {took:?}"))?;
    let start = Instant::now();
    let stream = connect(&socket)?;
    let mut writing = stream.try_clone()?;
    let drip = std::thread::spawn(move || {
        let hello = handshake::hello(&[1; NONCE_BYTES]);
        let pause = Duration::from_secs(1);
        let sent = hello.iter().take_while(|byte| {
            std::thread::sleep(pause);
            writing.write_all(&[**byte]).is_ok()
        });
        sent.count()
    });
    closed(&stream)?;
    let took = start.elapsed();
    drip.join().map_err(|_| "the dripping thread ended badly")?;
    ensure(took < GRACE + SLACK, || format!("a byte a second was closed after {took:?}"))?;
    honest.works()
}

/// I10: descriptors that a client attaches.
pub(super) fn descriptors() -> Setup<()> {
    needs_root("counting the broker's descriptors")?;
    let broker = with_model()?;
    let mut client = Client::of(&broker)?;
    client.works()?;
    let before = processes::descriptors(broker.pid()).len();
    let (reader, writer) = std::io::pipe()?;
    let many: Vec<RawFd> = vec![writer.as_raw_fd(); DESCRIPTORS];
    let frame = client.frame("with descriptors", Request::Models)?;
    let attached = [ControlMessage::ScmRights(&many)];
    let none: Option<&UnixAddr> = None;
    let (socket, parts) = (client.stream.as_raw_fd(), [IoSlice::new(&frame)]);
    sendmsg(socket, &parts, &attached, MsgFlags::empty(), none)?;
    client.receive()?;
    let after = processes::descriptors(broker.pid()).len();
    ensure(before == after, || format!("{before} descriptors became {after}"))?;
    // The end of the pipe comes only when nobody holds a writer: not the broker, not the kernel.
    drop(writer);
    let read = Read::read(&mut { reader }, &mut [0])?;
    ensure(read == 0, || "somebody still holds the pipe".into())
}

/// I11: lengths that are announced, and frames that are too short or too long.
pub(super) fn lengths() -> Setup<()> {
    let broker = with_model()?;
    let mut honest = Client::of(&broker)?;
    let before = memory(&broker)?;
    for length in [0, (1 << 20) + 1, u32::MAX - 1, u32::MAX] {
        let mut client = Client::of(&broker)?;
        client.stream.write_all(&length.to_le_bytes())?;
        let came = closed(&client.stream)?;
        ensure(came == 0, || format!("{came} bytes came for the length {length}"))?;
    }
    let mut announcing = Vec::new();
    for _ in 0..32 {
        let mut client = Client::of(&broker)?;
        client.stream.write_all(&(1_u32 << 20).to_le_bytes())?;
        announcing.push(client);
    }
    honest.works()?;
    let grown = memory(&broker)?.saturating_sub(before);
    ensure(grown < 16 << 10, || format!("32 announced megabytes took {grown} KiB"))?;
    let mut client = Client::of(&broker)?;
    let mut frame = client.frame("trailing", Request::Models)?;
    frame.push(0);
    let length = u32::try_from(frame.len() - 4)?;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    client.stream.write_all(&frame)?;
    closed(&client.stream)?;
    honest.works()
}

fn memory(broker: &Broker) -> Setup<u64> {
    let text = processes::status_field(broker.pid(), "VmData").ok_or("no VmData")?;
    Ok(text.split_whitespace().next().ok_or("an empty VmData")?.parse()?)
}

/// I12: the token is in no argument, environment, log, and not in a refusal.
pub(super) fn token_is_nowhere() -> Setup<()> {
    let broker = with_model()?;
    let secret = String::from_utf8(token(&broker)?)?;
    let secret = secret.trim();
    let worker = broker.try_load("story")?;
    let wrong = guess(connect(&broker.install.socket())?, &secret.as_bytes()[1..])?;
    ensure(wrong == 0, || "a wrong token opened".into())?;
    for pid in [broker.pid(), worker] {
        // A process that is hidden, and so root's by its files, leaves no core that could hold it.
        let owner = std::fs::metadata(format!("/proc/{pid}/status"))?.uid();
        ensure(owner == 0, || format!("{pid} may leave a core: its files are those of {owner}"))?;
        for file in ["cmdline", "environ", "comm"] {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let found = String::from_utf8_lossy(&bytes).contains(secret);
            ensure(!found, || format!("the token is in {file} of {pid}"))?;
        }
    }
    let status = Command::new("grep").args(["-rqF", secret]).arg(broker.install.root()).status()?;
    ensure(status.code() == Some(1), || format!("grep in the root directory: {status}"))?;
    let log = broker.log();
    ensure(log.contains("listening") && !log.contains(secret), || "the token is logged".into())
}
