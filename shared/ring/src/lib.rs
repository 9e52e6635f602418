//! Rings in sealed shared memory between a broker and a worker that it does not trust.
//!
//! Two memfds, each with exactly one writer that the kernel enforces: B is written by the broker
//! and carries jobs, W is written by the worker and carries tokens. In each lies one
//! single-producer single-consumer ring; the consumer's position lies in the other segment.
//!
//! ```text
//!            B: job data, job tail, token head, wake words, futex bell
//!  broker ───────────────────────────────────────────────────────────► worker
//!         ◄───────────────────────────────────────────────────────────
//!            W: token data, token tail, job head, wake words, heartbeat
//!            bell: an eventfd that the broker only polls
//! ```
//!
//! Invariants of the protocol; those of the memory (I1 to I6) are listed in `memory`:
//!
//! * **P1** No size, offset or limit is ever read from shared memory: [`Layout`] is private.
//! * **P2** A position of the peer is used only after range, order and alignment were checked.
//! * **P3** A header is loaded once and a payload copied once; nothing is parsed in shared memory.
//! * **P4** Publish is: words, tail (Release), full fence, look at the wake word, perhaps ring.
//!   Park is: wake word, full fence, look at the tail, perhaps sleep. One of both sees the other.
//! * **P5** A violation poisons its ring for good.
//! * **P6** Memory is never used for a second worker.
//!
//! [`create`] is the broker's beginning, [`attach`] the worker's.

mod broker;
mod futex;
mod layout;
mod memory;
mod primitive;
mod record;
mod ring;
mod violation;
mod worker;

pub use broker::{BrokerEnd, CreateError, JobSender, Space, TokenReceiver, WorkerFds, create};
pub use layout::{
    B_BYTES_DEFAULT, Layout, LayoutError, RECORD_FRACTION, RING_BYTES_MAX, RING_BYTES_MIN,
    W_BYTES_DEFAULT,
};
pub use memory::seal::{Segment, SegmentError};
pub use ring::{Budget, Drained, PushError};
pub use violation::Violation;
pub use worker::{AttachError, JobReceiver, TokenSender, Wake, WorkerEnd, attach};
#[cfg(feature = "forge")]
pub use worker::{Forged, Forger};
