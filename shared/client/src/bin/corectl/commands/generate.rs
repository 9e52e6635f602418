//! Shows the events of one request as they come.

use std::{borrow::Cow, time::Duration};

use core_client::{Done, Event, Events, FinishReason, ModelInfo, RequestError};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::timeout;

use super::session::Session;
use crate::{
    failure::{Exit, Failure},
    out::{self, Format, Out, clean, json::Line},
};

/// Steps of the progress bar; finer than any terminal is wide.
const BAR_STEPS: u64 = 1000;
/// How long a request that nobody reads any more may take to end. Cancel lands within 250 ms on a
/// healthy broker; the connection closes in any case.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

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
    model: &str,
    session: &Session,
    out: &mut Out,
) -> Result<Shown, Failure> {
    let _running = session.interrupts.running(events.canceller());
    let mut view = View::new(model, out);
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
    model: &'a str,
    bar: Option<ProgressBar>,
    text: String,
}

impl<'a> View<'a> {
    fn new(model: &'a str, out: &'a mut Out) -> Self {
        Self { out, model, bar: None, text: String::new() }
    }

    /// Shows one event, and hands back the terminal one.
    async fn event(&mut self, event: Event) -> Result<Option<End>, Failure> {
        if let Event::Token { text, .. } = &event {
            self.text.push_str(text);
        }
        match (self.out.format(), Line::of(&event)) {
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
            Event::Progress { fraction } => self.progress(*fraction),
            Event::Queued { position, .. } => {
                self.clear_bar();
                if let Some(line) = waiting(*position) {
                    out::note(&line);
                }
            }
            Event::Token { text, .. } => {
                self.clear_bar();
                self.out.model_text(text).await?;
            }
            _ => {
                self.clear_bar();
                self.end_line().await?;
            }
        }
        Ok(())
    }

    /// A stream that breaks off: what is said of it starts on a line of its own.
    async fn broken(&mut self, error: RequestError) -> Failure {
        self.clear_bar();
        if self.out.format() == Format::Human {
            // Standard output may be gone as well; why the stream broke off says more.
            let _unread = self.end_line().await;
        }
        error.into()
    }

    /// What is said next starts on a line of its own; a pipe of its own gets the text and no more.
    async fn end_line(&mut self) -> Result<(), Failure> {
        if self.out.shows_notes() && !self.text.is_empty() && !self.text.ends_with('\n') {
            self.out.own_text("\n").await?;
        }
        Ok(())
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a fraction of a thousand fits; the cast makes NaN a 0"
    )]
    fn progress(&mut self, fraction: f32) {
        let model = self.model;
        let bar = self.bar.get_or_insert_with(|| bar(model));
        let steps = f64::from(fraction.clamp(0.0, 1.0)) * BAR_STEPS as f64;
        bar.set_position(steps as u64);
    }

    fn clear_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn shown(self, end: End) -> Shown {
        let text = self.text;
        Shown { text, end }
    }
}

/// A bar on standard error; nothing where that is no terminal.
fn bar(model: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(BAR_STEPS), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("loading {msg} {bar:30} {percent:>3} % {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let model = clean::line(model);
    bar.with_style(style).with_message(Cow::Owned(model))
}

/// Who is in front; nobody is when only the model has to be loaded, and that has its own bar.
fn waiting(position: u32) -> Option<String> {
    match position {
        0 => None,
        1 => Some("waiting behind 1 request".into()),
        more => Some(format!("waiting behind {more} requests")),
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
