//! The KV cache: who holds which part of it, and what stays of a sequence that ended.

pub(crate) mod cache;
pub(crate) mod cells;
pub(crate) mod pool;
pub(crate) mod prefix;
pub(crate) mod saved;
pub(crate) mod tokens;
