//! N rows: every way to a network that a call could open.

use core_tests::trace::Arg;
use nix::libc;

use super::{killed, num, unsigned};
use crate::{
    attack::Attack,
    world::{Harm, World},
};

/// Every address family that Linux ever had, and some that it may get.
const FAMILIES: std::ops::RangeInclusive<u64> = 0..=47;
/// Protocols of netlink(7); the last one is that of crypto statistics.
const NETLINK: std::ops::RangeInclusive<u64> = 0..=22;
/// Multipath TCP and SCTP, protocols of their own beneath `AF_INET`.
const IPPROTO_MPTCP: u64 = 262;
const IPPROTO_SCTP: u64 = 132;

pub(super) fn all(world: &World) -> Vec<Attack> {
    [kinds(), families(), calls(world), others()].concat()
}

fn kinds() -> Vec<Attack> {
    let (inet, inet6) = (unsigned(libc::AF_INET), unsigned(libc::AF_INET6));
    let (stream, datagram) = (unsigned(libc::SOCK_STREAM), unsigned(libc::SOCK_DGRAM));
    let (raw, seqpacket) = (unsigned(libc::SOCK_RAW), unsigned(libc::SOCK_SEQPACKET));
    let unix = unsigned(libc::AF_UNIX);
    vec![
        socket("N01", "socket INET STREAM", [inet, stream, 0]),
        socket("N01", "socket INET STREAM TCP", [inet, stream, 6]),
        socket("N02", "socket INET6 STREAM", [inet6, stream, 0]),
        socket("N02", "socket INET DGRAM", [inet, datagram, 0]),
        socket("N02", "socket INET6 DGRAM", [inet6, datagram, 0]),
        socket("N02", "socket INET MPTCP", [inet, stream, IPPROTO_MPTCP]).anyhow(),
        socket("N02", "socket INET SCTP", [inet, stream, IPPROTO_SCTP]).anyhow(),
        socket("N02", "socket INET SEQPACKET SCTP", [inet, seqpacket, IPPROTO_SCTP]).anyhow(),
        socket("N02", "socket INET RAW", [inet, raw, 1]).anyhow(),
        socket("N02", "socket INET6 RAW", [inet6, raw, 58]).anyhow(),
        socket("N02", "socket INET ICMP", [inet, datagram, 1]).anyhow(),
        socket("N03", "socket UNIX STREAM", [unix, stream, 0]),
        socket("N03", "socket UNIX SEQPACKET", [unix, seqpacket, 0]),
        socket("N04", "socket UNIX DGRAM", [unix, datagram, 0]),
    ]
}

fn families() -> Vec<Attack> {
    let (datagram, raw) = (unsigned(libc::SOCK_DGRAM), unsigned(libc::SOCK_RAW));
    let one = |family| socket("N06", &format!("socket family {family}"), [family, datagram, 0]);
    let netlink = |protocol| {
        let what = format!("socket NETLINK {protocol}");
        socket("N05", &what, [unsigned(libc::AF_NETLINK), raw, protocol])
    };
    let families = FAMILIES.map(|family| one(family).anyhow());
    families.chain(NETLINK.map(|protocol| netlink(protocol).anyhow())).collect()
}

/// Calls on the log pipe's descriptor where no socket can be had, and on a real one in the control.
fn calls(world: &World) -> Vec<Attack> {
    let of = |family: i32, kind: i32| [family, kind, 0].map(|value| num(unsigned(value))).to_vec();
    let stream = || of(libc::AF_UNIX, libc::SOCK_STREAM);
    let to = |address: Vec<u8>| {
        let length = num(address.len() as u64);
        (Arg::Bytes(address), length)
    };
    let (path, name, port) =
        (to(world.listeners.path()), to(world.listeners.name()), to(world.listeners.port()));
    let reaching = |row, what, number, arguments, first| {
        let attack = killed(row, what, number, arguments).harming(Harm::Reached);
        attack.after(libc::SYS_socket, first)
    };
    let packet = vec![Arg::Prior, Arg::Bytes(question()), num(29), num(0), port.0, port.1];
    vec![
        reaching(
            "N03",
            "connect by path",
            libc::SYS_connect,
            vec![Arg::Prior, path.0, path.1],
            stream(),
        ),
        reaching(
            "N04",
            "connect by name",
            libc::SYS_connect,
            vec![Arg::Prior, name.0, name.1],
            stream(),
        ),
        reaching("N14", "send a question to a name server", libc::SYS_sendto, packet, {
            of(libc::AF_INET, libc::SOCK_DGRAM)
        }),
        killed("N08", "listen without bind", libc::SYS_listen, vec![Arg::Prior, num(1)])
            .after(libc::SYS_socket, of(libc::AF_INET, libc::SOCK_STREAM)),
    ]
}

/// Calls that need no socket to be an attack.
fn others() -> Vec<Attack> {
    let pair = [libc::AF_UNIX, libc::SOCK_STREAM, 0].map(|value| num(unsigned(value)));
    let pair = [&pair[..], &[Arg::Bytes(vec![0; 8])]].concat();
    vec![
        killed("N08", "accept", libc::SYS_accept4, vec![num(2), num(0), num(0), num(0)]).anyhow(),
        killed("N16", "socketpair", libc::SYS_socketpair, pair),
        killed("N16", "sendmsg", libc::SYS_sendmsg, vec![num(2), super::bytes(56), num(0)])
            .anyhow(),
        killed("N16", "recvmsg", libc::SYS_recvmsg, vec![num(2), super::bytes(56), num(0)])
            .anyhow(),
    ]
}

/// A question for the address of `example.com`, as a resolver sends it.
fn question() -> Vec<u8> {
    let header = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    [&header[..], b"\x07example\x03com\x00", &[0, 1, 0, 1]].concat()
}

fn socket(row: &'static str, what: &str, arguments: [u64; 3]) -> Attack {
    killed(row, what, libc::SYS_socket, arguments.map(num).to_vec())
}
