//! The lines of `--json`, field by field as the contract names them.

use core_client::{
    Choice, ContextInfo, Done, Event, FinishReason, ModelInfo, RequestError, Timings, Usage,
};
use serde::Serialize;

/// One event as a line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Line<'a> {
    Queued {
        position: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        wait_ms: Option<u32>,
    },
    Progress {
        fraction: f32,
    },
    Token {
        id: u32,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        logprob: Option<f32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        choice: Option<u32>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        top: Vec<Alternative>,
    },
    Choice(ChoiceLine),
    Loaded(&'a ModelInfo),
    Done(DoneLine),
    /// The ticket in hexadecimal digits.
    Detached {
        ticket: String,
        keep_ms: u32,
        first: u32,
    },
    Context {
        tokens: u32,
        bytes: u64,
    },
    Error {
        code: u16,
        name: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u32>,
        message: String,
    },
}

/// A token that could have been chosen.
#[derive(Debug, Serialize)]
pub(crate) struct Alternative {
    id: u32,
    logprob: f32,
}

/// One of several completions is over.
#[derive(Debug, Serialize)]
pub(crate) struct ChoiceLine {
    index: u32,
    finish_reason: FinishReason,
    usage: Usage,
}

/// How many completions were asked for: the lines of one carry no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completions {
    One,
    Several,
}

/// The fields of a generated answer's end; none of them for `drain` and `shutdown`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct DoneLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<FinishReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timings: Option<Timings>,
}

/// The answer of `tokenize`.
#[derive(Debug, Serialize)]
pub(crate) struct TokensLine {
    pub(crate) tokens: Vec<u32>,
}

/// The answer of `detokenize`.
#[derive(Debug, Serialize)]
pub(crate) struct TextLine {
    pub(crate) text: String,
}

/// The answer of `embed`.
#[derive(Debug, Serialize)]
pub(crate) struct EmbeddingLine {
    pub(crate) embedding: Vec<f32>,
}

impl<'a> Line<'a> {
    /// The line of an event that belongs to a stream; the others have lines of their own.
    pub(crate) fn of(event: &'a Event, completions: Completions) -> Option<Self> {
        match event {
            &Event::Queued { position, wait_ms } => Some(Self::Queued { position, wait_ms }),
            &Event::Progress { fraction } => Some(Self::Progress { fraction }),
            Event::Token { id, text, logprob, choice, top } => {
                let choice = (completions == Completions::Several).then_some(*choice);
                let top = top.iter().map(|&(id, logprob)| Alternative { id, logprob }).collect();
                Some(Self::Token { id: *id, text, logprob: *logprob, choice, top })
            }
            Event::Choice(choice) => Some(Self::choice(choice)),
            Event::Loaded(model) => Some(Self::Loaded(model)),
            Event::Done(done) => Some(Self::done(done)),
            Event::Context(info) => Some(Self::context(*info)),
            Event::Error(_)
            | Event::Tokens(_)
            | Event::Text(_)
            | Event::Models(_)
            | Event::Status(_)
            | Event::Audit(_)
            | Event::Embedding(_)
            | Event::Resumed { .. }
            | Event::Detached(_) => None,
        }
    }

    fn choice(choice: &Choice) -> Self {
        let &Choice { index, finish_reason, usage } = choice;
        Self::Choice(ChoiceLine { index, finish_reason, usage })
    }

    /// The end of a generated answer.
    pub(crate) fn done(done: &Done) -> Self {
        Self::Done(DoneLine {
            finish_reason: done.finish_reason,
            usage: Some(done.usage),
            timings: Some(done.timings),
        })
    }

    /// What was saved, restored, published or withdrawn.
    pub(crate) fn context(info: ContextInfo) -> Self {
        Self::Context { tokens: info.tokens, bytes: info.bytes }
    }

    /// The end of an order that has no answer.
    pub(crate) fn obeyed() -> Self {
        Self::Done(DoneLine::default())
    }

    /// The end of a request that has no good one.
    pub(crate) fn error(error: &RequestError) -> Self {
        let code = error.code();
        let (retry_after_ms, message) = match error {
            RequestError::Refused(refusal) => (refusal.retry_after_ms, refusal.message.clone()),
            other => (None, other.to_string()),
        };
        Self::Error { code: code.into(), name: code.name(), retry_after_ms, message }
    }
}
