//! Which events answer which request: what else comes is a broken promise of the broker.

use core_wire::client::{Event, Request};

/// Which events a request can have, besides `Error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    Generation,
    Loading,
    Tokens,
    Text,
    Models,
    Status,
    Audit,
    Embedding,
    Done,
}

impl Answers {
    /// What answers `request`.
    pub(super) fn to(request: &Request) -> Self {
        match request {
            Request::Generate(_) => Self::Generation,
            Request::Load { .. } | Request::Unload { .. } => Self::Loading,
            Request::Tokenize { .. } => Self::Tokens,
            Request::Detokenize { .. } => Self::Text,
            Request::Models => Self::Models,
            Request::Status => Self::Status,
            Request::Audit => Self::Audit,
            Request::Embed { .. } => Self::Embedding,
            Request::Cancel { .. } | Request::Drain | Request::Shutdown => Self::Done,
        }
    }

    /// Whether an event can belong to such a request. Anything that needs a worker may wait for it
    /// and for its model, and may be cancelled.
    pub(super) fn include(self, event: &Event) -> bool {
        let needs_worker = matches!(
            self,
            Self::Generation | Self::Loading | Self::Tokens | Self::Text | Self::Embedding
        );
        match event {
            Event::Error(_) => true,
            Event::Queued { .. } | Event::Progress { .. } => needs_worker,
            Event::Done(_) => needs_worker || self == Self::Done,
            Event::Token { .. } | Event::Choice(_) => self == Self::Generation,
            Event::Loaded(_) => self == Self::Loading,
            Event::Tokens(_) => self == Self::Tokens,
            Event::Text(_) => self == Self::Text,
            Event::Models(_) => self == Self::Models,
            Event::Status(_) => self == Self::Status,
            Event::Audit(_) => self == Self::Audit,
            Event::Embedding(_) => self == Self::Embedding,
        }
    }
}
