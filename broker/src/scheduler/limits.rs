//! What the configuration allows.

/// How much may wait, and what workers may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Requests that wait, of all sessions together.
    pub(crate) waiting_max: usize,
    /// Requests of one session that wait.
    pub(crate) per_session_max: usize,
    /// Bytes that all workers together may be granted.
    pub(crate) memory_bytes: u64,
    /// Milliseconds that requests on an old file have at least, where it has to go before the new
    /// one can be loaded.
    pub(crate) swap_drain_ms: u64,
}

#[cfg(test)]
impl Limits {
    /// So many requests, and workers as large as they like.
    pub(crate) fn waiting(waiting_max: usize, per_session_max: usize) -> Self {
        Self { waiting_max, per_session_max, memory_bytes: u64::MAX, swap_drain_ms: 10 }
    }
}
