//! The single-producer single-consumer ring, cut along its two roles.
//!
//! Each side keeps its own position and the last valid position of the peer in private memory;
//! shared memory holds only copies. A [`Violation`](crate::Violation) poisons the role that saw it.

mod consumer;
mod producer;

#[cfg(test)]
mod tests;

pub(crate) use consumer::Consumer;
pub use consumer::{Budget, Drained};
pub use producer::PushError;
pub(crate) use producer::{Producer, Room};
