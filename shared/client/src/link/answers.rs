//! Which events answer which request: what else comes is a broken promise of the broker.

use core_wire::{
    client::{Event, Request},
    limits::LOGPROBS_MAX,
};

/// Which events a request can have, besides `Error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// Tokens of so many completions.
    Generation {
        choices: u32,
    },
    Loading,
    Tokens,
    Text,
    Models,
    Status,
    Audit,
    Embedding,
    Context,
    Detached,
    Done,
}

impl Answers {
    /// What answers `request`.
    pub(super) fn to(request: &Request) -> Self {
        match request {
            Request::Generate(generate) => Self::Generation { choices: generate.params.n },
            Request::Load { .. } | Request::Unload { .. } | Request::Swap { .. } => Self::Loading,
            // The broker knows how many completions it has; one is what can be detached.
            Request::Attach { .. } => Self::Generation { choices: 1 },
            Request::Detach { .. } => Self::Detached,
            Request::Save { .. }
            | Request::Restore { .. }
            | Request::Publish { .. }
            | Request::Withdraw { .. } => Self::Context,
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
            Self::Generation { .. }
                | Self::Loading
                | Self::Tokens
                | Self::Text
                | Self::Embedding
                | Self::Context
        );
        match event {
            Event::Error(_) => true,
            Event::Queued { .. } | Event::Progress { .. } => needs_worker,
            Event::Done(_) => needs_worker || self == Self::Done,
            Event::Token { choice, top, .. } => {
                self.has_choice(*choice) && top.len() <= LOGPROBS_MAX as usize
            }
            Event::Choice(choice) => self.has_choice(choice.index),
            Event::Loaded(_) => self == Self::Loading,
            Event::Tokens(_) => self == Self::Tokens,
            Event::Text(_) => self == Self::Text,
            Event::Models(_) => self == Self::Models,
            Event::Status(_) => self == Self::Status,
            Event::Audit(_) => self == Self::Audit,
            Event::Embedding(_) => self == Self::Embedding,
            Event::Context(_) => self == Self::Context,
            Event::Detached(_) => self == Self::Detached,
            Event::Resumed { .. } => matches!(self, Self::Generation { .. }),
        }
    }

    /// Whether a completion was asked for; callers index by its number.
    fn has_choice(self, index: u32) -> bool {
        matches!(self, Self::Generation { choices } if index < choices)
    }
}
