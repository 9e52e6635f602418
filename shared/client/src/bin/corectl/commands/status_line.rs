//! One line on standard error that says what is waited for, where that is a terminal; it goes away.

use std::borrow::Cow;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::out::clean;

/// Steps of the progress bar; finer than any terminal is wide.
const BAR_STEPS: u64 = 1000;
/// How a model that loads is shown.
const LOADING: &str = "loading {msg} {bar:30} {percent:>3} % {elapsed}";
/// How a request that waits is shown.
const WAITING: &str = "{msg}";
/// From here on a wait is told in minutes.
const MINUTES_FROM_S: u32 = 120;

/// The line.
pub(super) struct StatusLine<'a> {
    model: &'a str,
    shown: Option<(&'static str, ProgressBar)>,
}

impl<'a> StatusLine<'a> {
    /// Nothing is shown yet.
    pub(super) fn new(model: &'a str) -> Self {
        Self { model, shown: None }
    }

    /// The model is being loaded.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a fraction of a thousand fits; the cast makes NaN a 0"
    )]
    pub(super) fn loading(&mut self, fraction: f32) {
        let model = clean::line(self.model);
        let bar = self.line(LOADING);
        bar.set_message(Cow::Owned(model));
        let steps = f64::from(fraction.clamp(0.0, 1.0)) * BAR_STEPS as f64;
        bar.set_position(steps as u64);
    }

    /// Others are in front. Nobody is when only the model has to be loaded, which has its own bar.
    pub(super) fn waiting(&mut self, position: u32, wait_ms: Option<u32>) {
        match (position, wait_ms) {
            (0, None) => self.clear(),
            _ => self.line(WAITING).set_message(Cow::Owned(waiting(position, wait_ms))),
        }
    }

    /// Nothing is waited for any more.
    pub(super) fn clear(&mut self) {
        if let Some((_, bar)) = self.shown.take() {
            bar.finish_and_clear();
        }
    }

    /// The bar of a kind; one of another kind goes away.
    fn line(&mut self, template: &'static str) -> &ProgressBar {
        if self.shown.as_ref().is_some_and(|(shown, _)| *shown != template) {
            self.clear();
        }
        let (_, bar) = self.shown.get_or_insert_with(|| (template, bar(template)));
        bar
    }
}

/// A bar on standard error; nothing where that is no terminal.
fn bar(template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(BAR_STEPS), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Who is in front, and for how long. A guess is told in whole seconds: it is no better than that.
pub(super) fn waiting(position: u32, wait_ms: Option<u32>) -> String {
    match wait_ms.map(|ms| ms.div_ceil(1000)) {
        None => format!("{position} in front"),
        Some(s @ ..MINUTES_FROM_S) => format!("{position} in front, about {s} s"),
        Some(s) => format!("{position} in front, about {} min", s.div_ceil(60)),
    }
}
