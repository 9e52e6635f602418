//! Shows the events of one request as they come.

use std::time::Duration;

use core_client::{Done, Event, Events, FinishReason, ModelInfo, RequestError};
use tokio::time::timeout;

use super::{
    choices::{Choices, with_logprob},
    session::Session,
    status_line::StatusLine,
};
use crate::{
    failure::{Exit, Failure},
    out::{
        Format, Out,
        json::{Completions, Line},
    },
};

/// How long a request that nobody reads any more may take to end. Cancel lands within 250 ms on a
/// healthy broker; the connection closes in any case.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

/// What was asked, as far as its events are shown by it.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The model.
    pub(crate) model: &'a str,
    /// Completions; 0 for what only waits for its model.
    pub(crate) choices: u32,
}

/// How a request that was shown ended.
pub(crate) struct Shown {
    /// All of its text.
    pub(crate) text: String,
    /// Its terminal event.
    pub(crate) end: End,
}

/// A terminal event of a request that is shown.
pub(crate) enum End {
    /// Of one that generates.
    Done(Done),
    /// Of one that loads or unloads.
    Loaded(ModelInfo),
}

/// Shows all of a request. An interrupt cancels it, and so does a standard output that is closed.
pub(crate) async fn show(
    mut events: Events,
    asked: Asked<'_>,
    session: &Session,
    out: &mut Out,
) -> Result<Shown, Failure> {
    let _running = session.interrupts.running(events.canceller());
    let mut view = View::new(asked, out);
    // Ends with the request: every turn takes one of its events.
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => return Err(view.broken(error).await),
        };
        let shown = view.event(event).await;
        match shown {
            Ok(None) => {}
            Ok(Some(end)) => return Ok(view.shown(end)),
            Err(failure) => {
                events.cancel();
                // Its outcome interests nobody; the failure that led here does.
                let _outcome = timeout(FAREWELL_MAX, events.finish()).await;
                return Err(abandoned(failure));
            }
        }
    }
    Err(RequestError::Lost.into())
}

fn abandoned(failure: Failure) -> Failure {
    match failure {
        Failure::Closed => Failure::Abandoned,
        other => other,
    }
}

impl<'a> Asked<'a> {
    /// One answer of a model.
    pub(crate) fn one(model: &'a str) -> Self {
        Self { model, choices: 1 }
    }

    /// That a model is loaded, unloaded or swapped.
    pub(crate) fn place(model: &'a str) -> Self {
        Self { model, choices: 0 }
    }
}

impl End {
    /// The exit code that stands for it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Done(done) if done.finish_reason == Some(FinishReason::Cancelled) => {
                Exit::Cancelled
            }
            Self::Done(_) | Self::Loaded(_) => Exit::Done,
        }
    }
}

struct View<'a> {
    out: &'a mut Out,
    line: StatusLine<'a>,
    completions: Completions,
    choices: Choices,
    /// How far a model has come is a line only of what waits for nothing else: the lines of `run`
    /// are fixed.
    is_placing: bool,
    /// Whether a token has come.
    begun: bool,
    text: String,
}

impl<'a> View<'a> {
    fn new(asked: Asked<'a>, out: &'a mut Out) -> Self {
        let completions = match asked.choices {
            0 | 1 => Completions::One,
            _ => Completions::Several,
        };
        let (is_placing, choices) = (asked.choices == 0, Choices::new(asked.choices));
        let line = StatusLine::new(asked.model);
        let (begun, text) = (false, String::new());
        Self { out, line, completions, choices, is_placing, begun, text }
    }

    /// Shows one event, and hands back the terminal one.
    async fn event(&mut self, event: Event) -> Result<Option<End>, Failure> {
        if let (Completions::One, Event::Token { text, .. }) = (self.completions, &event) {
            self.text.push_str(text);
        }
        match (self.out.format(), Line::of(&event, self.completions)) {
            (Format::Json, Some(Line::Progress { .. })) if !self.is_placing => {}
            (Format::Json, Some(line)) => self.out.json(&line).await?,
            (Format::Json, None) => {}
            (Format::Human, _) => self.human(&event).await?,
        }
        Ok(match event {
            Event::Done(done) => Some(End::Done(done)),
            Event::Loaded(model) => Some(End::Loaded(model)),
            _ => None,
        })
    }

    async fn human(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            // A pause in an answer is no news that its line should go away for.
            Event::Progress { .. } | Event::Queued { .. } | Event::Resumed { .. } if self.begun => {
            }
            Event::Progress { fraction } => self.line.loading(*fraction),
            Event::Queued { position, wait_ms } => self.line.waiting(*position, *wait_ms),
            Event::Token { id, text, logprob, choice, top } => {
                self.line.clear();
                self.begun = true;
                match logprob {
                    Some(logprob) => {
                        let line = with_logprob(*id, text, *logprob, top);
                        self.token(*choice, &line).await?;
                    }
                    None => self.token(*choice, text).await?,
                }
            }
            Event::Choice(choice) if self.completions == Completions::Several => {
                self.choices.over(choice.index, self.out).await?;
            }
            Event::Resumed { .. } => {}
            _ => {
                self.line.clear();
                self.end_line().await?;
            }
        }
        Ok(())
    }

    async fn token(&mut self, choice: u32, text: &str) -> Result<(), Failure> {
        match self.completions {
            Completions::One => self.out.model_text(text).await,
            Completions::Several => self.choices.token(choice, text, self.out).await,
        }
    }

    /// A stream that breaks off: what is said of it starts on a line of its own.
    async fn broken(&mut self, error: RequestError) -> Failure {
        self.line.clear();
        if self.out.format() == Format::Human {
            // Standard output may be gone as well; why the stream broke off says more.
            let _unread = self.end_line().await;
        }
        error.into()
    }

    /// What is said next starts on a line of its own; a pipe of its own gets the text and no more.
    async fn end_line(&mut self) -> Result<(), Failure> {
        if self.completions == Completions::Several {
            return self.choices.end(self.out).await;
        }
        if self.out.shows_notes() && !self.text.is_empty() && !self.text.ends_with('\n') {
            self.out.own_text("\n").await?;
        }
        Ok(())
    }

    fn shown(self, end: End) -> Shown {
        let text = self.text;
        Shown { text, end }
    }
}

/// One line about a generated answer.
pub(crate) fn summary(done: &Done) -> String {
    let usage = done.usage;
    let reason = match done.finish_reason {
        Some(FinishReason::Stop) => "stop",
        Some(FinishReason::Length) => "length",
        Some(FinishReason::Cancelled) => "cancelled",
        None => "done",
    };
    let rate = rate(usage.completion_tokens, done.timings.decode_ms);
    format!(
        "[{reason}: {} tokens{rate}; prompt {} tokens, {} cached; queue {:.0} ms, \
         prefill {:.0} ms]",
        usage.completion_tokens,
        usage.prompt_tokens,
        usage.cached_tokens,
        done.timings.queue_ms,
        done.timings.prefill_ms,
    )
}

/// Tokens per second between the first token and the last; nothing where that says nothing.
fn rate(tokens: u32, decode_ms: f64) -> String {
    match tokens {
        2.. if decode_ms > 0.0 => {
            let per_second = f64::from(tokens - 1) / decode_ms * 1000.0;
            format!(", {per_second:.1} tok/s")
        }
        _ => String::new(),
    }
}
