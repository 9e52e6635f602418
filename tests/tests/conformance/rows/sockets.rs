//! N rows: every way to a network that a call could open.

use core_tests::trace::Arg;
use nix::{errno::Errno, libc};

use super::{killed, num, unsigned};
use crate::{attack::Attack, world::World};

/// Every address family that Linux ever had, and some that it may get.
const FAMILIES: std::ops::RangeInclusive<u64> = 0..=47;
/// Multipath TCP, a protocol of its own beneath `AF_INET`.
const IPPROTO_MPTCP: u64 = 262;

pub(super) fn all(world: &World) -> Vec<Attack> {
    [kinds(), families(), calls(world)].concat()
}

fn kinds() -> Vec<Attack> {
    let (inet, inet6) = (unsigned(libc::AF_INET), unsigned(libc::AF_INET6));
    let (stream, datagram) = (unsigned(libc::SOCK_STREAM), unsigned(libc::SOCK_DGRAM));
    let unix = unsigned(libc::AF_UNIX);
    vec![
        socket("N01", "socket INET STREAM", [inet, stream, 0]),
        socket("N02", "socket INET6 STREAM", [inet6, stream, 0]),
        socket("N02", "socket INET DGRAM", [inet, datagram, 0]),
        socket("N02", "socket INET6 DGRAM", [inet6, datagram, 0]),
        socket("N02", "socket INET MPTCP", [inet, stream, IPPROTO_MPTCP]).anyhow(),
        socket("N02", "socket INET RAW", [inet, unsigned(libc::SOCK_RAW), 1]).anyhow(),
        socket("N03", "socket UNIX STREAM", [unix, stream, 0]),
        socket("N04", "socket UNIX DGRAM", [unix, datagram, 0]),
        socket("N05", "socket NETLINK", [unsigned(libc::AF_NETLINK), datagram, 0]),
    ]
}

fn families() -> Vec<Attack> {
    let datagram = unsigned(libc::SOCK_DGRAM);
    let one = |family| socket("N06", &format!("socket family {family}"), [family, datagram, 0]);
    FAMILIES.map(|family| one(family).anyhow()).collect()
}

/// Calls on the log pipe's descriptor, which is no socket.
fn calls(world: &World) -> Vec<Attack> {
    let pair = [libc::AF_UNIX, libc::SOCK_STREAM, 0].map(|value| num(unsigned(value)));
    let pair = [&pair[..], &[Arg::Bytes(vec![0; 8])]].concat();
    let connect = vec![num(2), world.address(), num(110)];
    vec![
        killed("N03", "connect", libc::SYS_connect, connect).reaching(Errno::ENOTSOCK),
        killed("N08", "listen without bind", libc::SYS_listen, vec![num(2), num(1)])
            .reaching(Errno::ENOTSOCK),
        killed("N16", "socketpair", libc::SYS_socketpair, pair),
    ]
}

fn socket(row: &'static str, what: &str, arguments: [u64; 3]) -> Attack {
    killed(row, what, libc::SYS_socket, arguments.map(num).to_vec())
}
