//! Where this run listens, so that a connection or a packet is seen by somebody else than the one
//! who sent it.

use std::{
    fs,
    io::ErrorKind,
    net::UdpSocket,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::PermissionsExt,
            net::{SocketAddr, UnixListener},
        },
    },
    path::{Path, PathBuf},
};

use core_tests::harness::Setup;

/// More than any one attack leaves behind.
const WAITING_MAX: usize = 64;

/// One of each kind, none of which blocks.
pub(crate) struct Listeners {
    by_path: UnixListener,
    by_name: UnixListener,
    datagrams: UdpSocket,
    path: PathBuf,
    name: Vec<u8>,
}

impl Listeners {
    pub(super) fn new(dir: &Path) -> Setup<Self> {
        let path = dir.join("listener");
        let name = format!("core-conformance-{}", std::process::id()).into_bytes();
        let by_path = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777))?;
        let by_name = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        let datagrams = UdpSocket::bind("127.0.0.1:0")?;
        by_path.set_nonblocking(true)?;
        by_name.set_nonblocking(true)?;
        datagrams.set_nonblocking(true)?;
        Ok(Self { by_path, by_name, datagrams, path, name })
    }

    /// The `struct sockaddr_un` of the socket with a path.
    pub(crate) fn path(&self) -> Vec<u8> {
        let path = self.path.to_string_lossy();
        [&[1, 0], path.as_bytes(), &[0]].concat()
    }

    /// The `struct sockaddr_un` of the socket with an abstract name.
    pub(crate) fn name(&self) -> Vec<u8> {
        [&[1, 0, 0], self.name.as_slice()].concat()
    }

    /// The `struct sockaddr_in` of the socket for datagrams.
    pub(crate) fn port(&self) -> Vec<u8> {
        let port = self.datagrams.local_addr().map_or(0, |address| address.port());
        [&[2, 0][..], &port.to_be_bytes(), &[127, 0, 0, 1], &[0; 8]].concat()
    }

    /// Whether anybody came since the last time.
    pub(super) fn reached(&self) -> Setup<bool> {
        let waits = |found: std::io::Result<()>| match found {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        };
        let mut any = false;
        for _ in 0..WAITING_MAX {
            let one = waits(self.by_path.accept().map(drop))?
                | waits(self.by_name.accept().map(drop))?
                | waits(self.datagrams.recv(&mut [0; 64]).map(drop))?;
            any |= one;
            if !one {
                break;
            }
        }
        Ok(any)
    }

    pub(super) fn reset(&self) -> Setup<()> {
        self.reached().map(drop)
    }
}
