//! Every bound of the client, with where the number comes from. Those of the protocol itself are in
//! [`core_wire::limits`].

use std::time::Duration;

pub use core_wire::limits::{TOKEN_BYTES_MAX, TOKEN_BYTES_MIN};

/// How long a handshake may take. The broker grants 2 s to a peer; a loaded machine gets as much
/// again before the client gives up.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(4);

/// Requests that may be open on one connection. Four times the slots of the largest worker, so that
/// the broker's own limit is met first and answered with its reason.
pub const OPEN_REQUESTS_MAX: usize = 1024;

/// Frames that wait for the socket; further requests wait. At the usual 1 MiB each they are 16 MiB.
pub const OUTGOING_FRAMES_MAX: usize = 16;

/// Events of one request that wait for its reader: ten seconds of a fast model.
pub const WAITING_EVENTS_MAX: usize = 1024;

/// Bytes of a frame whose event is not terminal: the text of a worker's step is at most 8 KiB, and
/// id, names and numbers fit in as much again. With [`WAITING_EVENTS_MAX`] it bounds what a request
/// whose reader sleeps can hold: 16 MiB.
pub const STREAM_FRAME_BYTES_MAX: usize = 2 * core_wire::limits::STEP_TEXT_BYTES_MAX;

/// How long a request whose reader sleeps may hold up the others on its connection. Half of what a
/// person calls a pause; after it that request ends with `SLOW_CLIENT`.
pub const STALL_MAX: Duration = Duration::from_millis(250);

/// Bytes that the reader takes from the socket at once: a few hundred tokens.
pub const READ_BUFFER_BYTES: usize = 64 << 10;

/// How long a broker may take until it says that it is ready. It reads a token for at most 5 s and
/// waits for no model.
pub const READY_MAX: Duration = Duration::from_secs(15);

/// Bytes of the ready line: a socket path has at most 108 bytes, the rest is numbers.
pub const READY_LINE_BYTES_MAX: usize = 4096;

/// How long [`crate::Broker::stop`] waits before it kills: the broker's default drain of 10 s and
/// some seconds for its workers to end.
pub const STOP_MAX: Duration = Duration::from_secs(15);
