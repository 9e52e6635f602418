//! Clients that mean no good, many at once, each kind beside a stream that must not notice.

use std::{
    fs::File,
    io::{IoSlice, Read, Write},
    os::{fd::AsRawFd, fd::RawFd, unix::net::UnixStream},
    thread,
    time::Duration,
};

use core_tests::{
    harness::Setup,
    rogue::{Den, Raw},
};
use core_wire::{
    client::{Event, Request},
    code::Code,
    handshake::{self, CHALLENGE_BYTES, MAC_BYTES, NONCE_BYTES, SESSION_BYTES},
    ids::SessionId,
    limits::CLIENT_FRAME_BYTES_MAX,
};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

/// The number of connections.
const MANY: usize = 1000;
/// Connections that are slow, silent or half open.
const SOME: usize = 100;
/// Descriptors in one message, the kernel's limit (SCM_MAX_FD).
const DESCRIPTORS: usize = 253;
/// Longer than the grace that a connection has to prove itself.
const GRACE: Duration = Duration::from_millis(2500);

/// Runs an attack beside a stream. Before that once alone: what a broker keeps of its first guests,
/// buffers and tables, is made before its memory is counted.
fn attack(what: impl Fn(&Den) -> Setup<()>) {
    let den = Den::new().expect("a den");
    what(&den).expect("a first time");
    den.beside(|| what(&den)).expect("undisturbed");
}

/// How many bytes come before the end.
fn rest(stream: &UnixStream) -> usize {
    let mut bytes = Vec::new();
    let mut stream = stream;
    // A reset is an end as well.
    let _ended = stream.read_to_end(&mut bytes);
    bytes.len()
}

fn works(raw: &mut Raw, id: &str) -> Setup<()> {
    raw.ask(id, Request::Models)?;
    match raw.hear()?.event {
        Event::Models(_) => Ok(()),
        event => Err(format!("{event:?}").into()),
    }
}

#[test]
fn a_thousand_sessions_at_once() {
    attack(|den| {
        let mut all = (0..MANY).map(|_| den.door.enter()).collect::<Setup<Vec<_>>>()?;
        all.iter_mut().try_for_each(|raw| works(raw, "one"))?;
        // One half goes in mid-frame, the other just goes.
        all.iter_mut().step_by(2).try_for_each(|raw| Ok(raw.stream.write_all(&[9, 0, 0])?))
    });
}

#[test]
fn silent_ones_and_half_handshakes() {
    attack(|den| {
        let hello = handshake::hello(&[1; NONCE_BYTES]);
        let begun: [&[u8]; 4] = [b"", b"CO", &hello[..20], &hello];
        let mut open = Vec::new();
        for begin in begun.into_iter().cycle().take(SOME) {
            let mut stream = den.door.knock()?;
            // The one that waited longest is closed for a new one, perhaps this one already.
            let _sent = stream.write_all(begin);
            open.push(stream);
        }
        works(&mut den.door.enter()?, "beside")?;
        thread::sleep(GRACE);
        let long = open.iter().map(rest).filter(|&bytes| bytes > CHALLENGE_BYTES).count();
        if long == 0 { Ok(()) } else { Err("something came for half a handshake".into()) }
    });
}

#[test]
fn replays_and_wrong_proofs() {
    attack(|den| {
        let hello = handshake::hello(&[2; NONCE_BYTES]);
        let mut recorded = den.door.knock()?;
        recorded.write_all(&hello)?;
        let mut challenge = [0; CHALLENGE_BYTES];
        recorded.read_exact(&mut challenge)?;
        let uid = nix::unistd::geteuid().as_raw();
        let proof = handshake::proof(&den.door.token, &hello, &challenge, uid)?;
        recorded.write_all(&proof)?;
        recorded.read_exact(&mut [0; SESSION_BYTES])?;
        for wrong in [proof, [0; MAC_BYTES]].into_iter().cycle().take(SOME) {
            let mut again = den.door.knock()?;
            again.write_all(&[hello.as_slice(), &wrong].concat())?;
            again.read_exact(&mut [0; CHALLENGE_BYTES])?;
            if rest(&again) > 0 {
                return Err("a replay was let in".into());
            }
        }
        works(&mut den.door.enter()?, "after")
    });
}

#[test]
fn foreign_sessions() {
    attack(|den| {
        let mut owner = den.door.enter()?;
        for n in 0..SOME {
            let mut thief = den.door.enter()?;
            thief.session = if n % 2 == 0 { owner.session } else { SessionId([7; 16]) };
            thief.ask("stolen", Request::Shutdown)?;
            if rest(&thief.stream) > 0 {
                return Err("an answer for a foreign session".into());
            }
        }
        works(&mut owner, "mine")
    });
}

#[test]
fn giant_tiny_and_torn_frames() {
    attack(|den| {
        let beyond = u32::try_from(CLIENT_FRAME_BYTES_MAX)? + 1;
        let lengths = [u32::MAX, u32::MAX / 2, 1 << 28, beyond, 0, 1];
        for length in lengths.into_iter().cycle().take(SOME) {
            let mut raw = den.door.enter()?;
            raw.stream.write_all(&length.to_le_bytes())?;
            let _sent = raw.stream.write_all(&[0xff; 512]);
            raw.stream.shutdown(std::net::Shutdown::Write)?;
            rest(&raw.stream);
        }
        Ok(())
    });
}

/// A short frame whose text says that it has millions of bytes: nothing is allocated for them. Of
/// sizes below 32 MiB the allocator keeps what it once had.
#[test]
fn giant_texts_in_short_frames() {
    attack(|den| {
        for n in 0..2 * MANY {
            let mut raw = den.door.enter()?;
            let text = Request::Load { model: "x".into() };
            let mut frame = raw.frame("long", text)?;
            // The text and its length of one byte are the end of it; 252 says that four follow.
            frame.truncate(frame.len() - 2);
            frame.push(252);
            frame.extend((1_000_000 + 15_000 * u32::try_from(n)?).to_le_bytes());
            let length = u32::try_from(frame.len() - 4)?;
            frame[..4].copy_from_slice(&length.to_le_bytes());
            raw.stream.write_all(&frame)?;
            match raw.hear()?.event {
                Event::Error(refusal) if refusal.code == Code::BadFrame => {}
                event => return Err(format!("{event:?}").into()),
            }
        }
        Ok(())
    });
}

/// Announced in full, sent a byte at a time: each holds what it has sent and no more.
#[test]
fn slow_writers() {
    attack(|den| {
        let mut slow = (0..SOME).map(|_| den.door.enter()).collect::<Setup<Vec<_>>>()?;
        for raw in &mut slow {
            raw.stream.write_all(&u32::try_from(CLIENT_FRAME_BYTES_MAX)?.to_le_bytes())?;
        }
        for _ in 0..30 {
            slow.iter_mut().try_for_each(|raw| raw.stream.write_all(&[7]))?;
            thread::sleep(Duration::from_millis(100));
        }
        works(&mut den.door.enter()?, "beside")
    });
}

/// With every piece of a handshake and of a frame come as many descriptors as a message can carry.
#[test]
fn descriptors_with_every_message() {
    attack(|den| {
        let null = File::open("/dev/null")?;
        let many = vec![null.as_raw_fd(); DESCRIPTORS];
        for _ in 0..SOME {
            let mut raw = den.door.enter()?;
            let frame = raw.frame("loaded", Request::Models)?;
            for piece in frame.chunks(8) {
                send(&raw.stream, piece, &many)?;
            }
            let event = raw.hear()?.event;
            if !matches!(event, Event::Models(_)) {
                return Err(format!("{event:?}").into());
            }
            let early = den.door.knock()?;
            send(&early, &handshake::hello(&[1; NONCE_BYTES]), &many)?;
        }
        Ok(())
    });
}

fn send(stream: &UnixStream, bytes: &[u8], descriptors: &[RawFd]) -> Setup<()> {
    let attached = [ControlMessage::ScmRights(descriptors)];
    let none: Option<&UnixAddr> = None;
    let parts = [IoSlice::new(bytes)];
    let sent = sendmsg(stream.as_raw_fd(), &parts, &attached, MsgFlags::empty(), none)?;
    if sent == bytes.len() { Ok(()) } else { Err("a part was sent".into()) }
}
