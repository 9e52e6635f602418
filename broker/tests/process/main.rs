//! The broker as a process, seen from its socket, its descriptors and its exit code.
//!
//! Every test starts the real binary in a directory of its own. Run by root, the broker becomes uid
//! 61234; what only root can arrange says so in its name and in its output when it is left out.

#![expect(clippy::unwrap_used, reason = "what a harness cannot do is a failed test")]

mod client;
mod frames;
mod handshake;
mod harness;
mod life;
mod logs;
mod startup;
mod waiting;
