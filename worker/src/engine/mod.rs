//! llama.cpp at work: from a model file to tokens.
//!
//! One thread owns the model, its context and both rings; the engine's own threads only compute.

pub(crate) mod answers;
pub(crate) mod batch;
pub(crate) mod desk;
pub(crate) mod embed;
pub(crate) mod encoder;
pub(crate) mod facts;
pub(crate) mod grammar;
pub(crate) mod inbox;
pub(crate) mod inference;
pub(crate) mod load;
pub(crate) mod needs;
pub(crate) mod pace;
pub(crate) mod recent;
pub(crate) mod sampling;
pub(crate) mod sequence;
pub(crate) mod streaming;
pub(crate) mod template;
pub(crate) mod tokenizer;
pub(crate) mod vocabulary;
pub(crate) mod warm;

use std::time::Duration;

/// How long an idle worker sleeps at a stretch. A wake-up a minute costs nothing and is a sign of
/// life; jobs ring the bell and do not wait for it.
pub(crate) const IDLE_PARK: Duration = Duration::from_secs(60);
