//! What may be said: between client and broker over the Unix socket, and between broker and worker
//! through the rings.
//!
//! Pure data and pure functions: no I/O, no clock, no unsafe. Whoever reads bytes from another
//! process does so with a type of this crate, so every bound of the protocol stands in [`limits`]
//! and every refusal in [`code`]. The bytes are described for other languages in
//! `policy/docs/PROTOCOL.md`.

#![forbid(unsafe_code)]

pub mod client;
pub mod code;
pub mod codec;
pub mod frame;
pub mod handshake;
pub mod ids;
pub mod limits;
pub mod untrusted;
pub mod worker;
