//! What the project's tests share: model files made on the spot.
//!
//! Nothing here is linked into a shipped binary.
#![forbid(unsafe_code)]

pub mod gguf;
pub mod harness;
pub mod rogue;
pub mod trace;
