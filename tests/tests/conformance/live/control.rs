//! I10: control messages that no library sends, beside frames that are right.
//!
//! The kernel must refuse one at its sender, or the frame arrives without it. They are sent by a
//! helper process with the client's authenticated connection as its input, in calls that are
//! injected there: what they point to is made up byte by byte.

use std::{
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    time::Duration,
};

use core_tests::{
    harness::{Setup, processes},
    trace::{Arg, Outcome, Tracee},
};
use core_wire::client::Request;
use nix::libc;

use super::{client::Client, ensure, ready};
use crate::skip::needs_root;

/// Bytes of a `struct cmsghdr`.
const HEADER: u64 = 16;
/// What one message may not carry (SCM_MAX_FD, and one).
const TOO_MANY: usize = 254;
/// A descriptor that the helper does not have.
const CLOSED: i32 = 999;
/// How long the helper may take to do nothing.
const ASLEEP_WITHIN: Duration = Duration::from_secs(5);
/// Where the parts of a message lie below the helper's stack, in its first pages.
const BELOW: u64 = 12 << 10;
/// Room for the headers before the frame and the control message.
const PART: u64 = 2 << 10;

/// A control message, and what the kernel answers its sender: an error, or nothing.
type Control = (&'static str, Vec<u8>, Option<i32>);

/// A process that holds the client's connection and sends what is injected.
struct Helper {
    child: Child,
    tracee: Option<Tracee>,
}

/// I10: each is refused or means nothing, and the broker has no descriptor of it.
pub(super) fn malformed() -> Setup<()> {
    needs_root("counting the broker's descriptors")?;
    // Nothing of a load or an inspector comes or goes meanwhile.
    let (broker, _) = ready()?;
    let mut client = Client::of(&broker)?;
    client.works()?;
    let before = processes::descriptors(broker.pid()).len();
    let helper = Helper::of(&client)?;
    for (what, control, error) in controls(helper.child.id()) {
        let frame = client.frame(what, Request::Models)?;
        let sent = helper.send(&frame, &control)?;
        let wanted = error.map_or(i64::try_from(frame.len())?, |error| -i64::from(error));
        ensure(sent == wanted, || format!("{what}: sendmsg answered {sent}, not {wanted}"))?;
        if error.is_none() {
            let answer = client.receive()?;
            ensure(answer.id.as_str() == what, || format!("{what}: {answer:?}"))?;
        }
        client.works().map_err(|error| format!("after {what}: {error}"))?;
    }
    let after = processes::descriptors(broker.pid()).len();
    ensure(before == after, || format!("{before} descriptors became {after}"))
}

/// The first two are the control: a frame alone, and a descriptor as it should be.
fn controls(sender: u32) -> Vec<Control> {
    let rights = |fds: &[i32]| {
        let bytes: Vec<u8> = fds.iter().flat_map(|fd| fd.to_le_bytes()).collect();
        control(HEADER + bytes.len() as u64, (libc::SOL_SOCKET, libc::SCM_RIGHTS), &bytes)
    };
    let of_length =
        |length| control(length, (libc::SOL_SOCKET, libc::SCM_RIGHTS), &0_i32.to_le_bytes());
    let kind = |level, kind| control(HEADER + 4, (level, kind), &0_i32.to_le_bytes());
    // As anybody may send them, of itself.
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let name = [sender, uid, gid].map(u32::to_le_bytes).concat();
    let credentials = (libc::SOL_SOCKET, libc::SCM_CREDENTIALS);
    vec![
        ("nothing", Vec::new(), None),
        ("a descriptor", rights(&[0]), None),
        ("a length of nothing", of_length(0), Some(libc::EINVAL)),
        ("a length within the header", of_length(HEADER - 1), Some(libc::EINVAL)),
        ("no descriptor", of_length(HEADER), None),
        ("half a descriptor", of_length(HEADER + 2), None),
        ("a descriptor and a byte", of_length(HEADER + 5), None),
        ("a length beyond the end", of_length(HEADER + 64), Some(libc::EINVAL)),
        ("the largest length", of_length(u64::MAX), Some(libc::EINVAL)),
        ("less than a header", vec![0; 8], None),
        ("a closed descriptor", rights(&[0, CLOSED]), Some(libc::EBADF)),
        ("a negative descriptor", rights(&[0, -1]), Some(libc::EBADF)),
        ("too many descriptors", rights(&[0; TOO_MANY]), Some(libc::EINVAL)),
        ("descriptors twice", [rights(&[0, 0]), rights(&[0, 0])].concat(), None),
        ("an unknown type", kind(libc::SOL_SOCKET, 77), Some(libc::EINVAL)),
        ("another protocol", kind(libc::SOL_TCP, 1), None),
        ("a name", control(HEADER + 12, credentials, &name), None),
        ("half a name", control(HEADER + 4, credentials, &name[..4]), Some(libc::EINVAL)),
    ]
}

/// One control message with a length of its own choice, padded as the kernel expects the next.
fn control(length: u64, (level, kind): (i32, i32), data: &[u8]) -> Vec<u8> {
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend(level.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

impl Helper {
    fn of(client: &Client) -> Setup<Self> {
        let input = OwnedFd::from(client.stream.try_clone()?);
        let mut command = Command::new("/bin/sleep");
        let child = command.arg("600").stdin(input).stdout(Stdio::null()).spawn()?;
        let mut helper = Self { child, tracee: None };
        let pid = helper.child.id();
        // Until then it is still within its execve, and what is injected begins at no call's entry.
        let sleeps = || processes::status_field(pid, "State")?.starts_with('S').then_some(());
        processes::wait_for(ASLEEP_WITHIN, sleeps).ok_or("the helper does not fall asleep")?;
        helper.tracee = Some(Tracee::seize_running(pid)?);
        Ok(helper)
    }

    /// Sends a frame with a control message; what `sendmsg` answered.
    fn send(&self, frame: &[u8], control: &[u8]) -> Setup<i64> {
        let tracee = self.tracee.as_ref().ok_or("nobody holds the helper")?;
        let header = (tracee.stack_pointer()? - BELOW) & !0xfff;
        let (vector, data, extra) = (header + 64, header + 128, header + PART);
        let words = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
        // struct iovec; struct msghdr: name, its length, vector, its length, control, its length,
        // flags.
        let one: Vec<u8> = words(&[data, frame.len() as u64]);
        let message: Vec<u8> = words(&[0, 0, vector, 1, extra, control.len() as u64, 0]);
        for (at, bytes) in [(header, &*message), (vector, &one), (data, frame), (extra, control)] {
            tracee.write(at, bytes)?;
        }
        let quietly = u64::from(libc::MSG_NOSIGNAL.cast_unsigned());
        let call = [Arg::Num(0), Arg::Num(header), Arg::Num(quietly)];
        match tracee.inject(libc::SYS_sendmsg.cast_unsigned(), &call)? {
            Outcome::Returned(sent) => Ok(sent),
            ended => Err(format!("the helper ended: {ended:?}").into()),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // A failure means that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
