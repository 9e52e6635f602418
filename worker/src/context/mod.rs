//! The KV cache: who holds which part of it, and what stays of a sequence that ended.

pub(crate) mod kept;
pub(crate) mod pool;
pub(crate) mod prefix;
