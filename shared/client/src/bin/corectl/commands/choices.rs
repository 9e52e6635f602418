//! Several completions for people: one after the other, each under a header.
//!
//! Their tokens come interleaved. The first that is not complete is shown as it grows, the others
//! are kept until it is their turn.

use core_client::wire::limits::CHOICES_MAX;

use crate::{
    failure::Failure,
    out::{Out, clean},
};

/// Completions that are shown in turn.
pub(super) struct Choices {
    /// At most as many as were asked for: the client library lets no other index pass.
    kept: Vec<Kept>,
    /// The one that is shown as it grows.
    current: usize,
}

#[derive(Default)]
struct Kept {
    text: String,
    /// How much of it has been shown.
    shown: usize,
    over: bool,
}

impl Choices {
    /// Nothing was said yet. More than a broker serves is refused by it, and takes no memory here.
    pub(super) fn new(count: u32) -> Self {
        let mut kept = Vec::new();
        kept.resize_with(count.min(CHOICES_MAX) as usize, Kept::default);
        Self { kept, current: 0 }
    }

    /// Takes a piece of a completion, and shows it when it is its turn.
    pub(super) async fn token(
        &mut self,
        choice: u32,
        text: &str,
        out: &mut Out,
    ) -> Result<(), Failure> {
        if let Some(kept) = self.kept.get_mut(choice as usize) {
            kept.text.push_str(text);
        }
        self.advance(out).await
    }

    /// A completion is over.
    pub(super) async fn over(&mut self, choice: u32, out: &mut Out) -> Result<(), Failure> {
        if let Some(kept) = self.kept.get_mut(choice as usize) {
            kept.over = true;
        }
        self.advance(out).await
    }

    /// The request is over, and so is everything in it.
    pub(super) async fn end(&mut self, out: &mut Out) -> Result<(), Failure> {
        self.kept.iter_mut().for_each(|kept| kept.over = true);
        self.advance(out).await
    }

    /// Shows what can be shown.
    async fn advance(&mut self, out: &mut Out) -> Result<(), Failure> {
        let count = self.kept.len();
        while let Some(kept) = self.kept.get_mut(self.current) {
            if kept.shown == 0 && (kept.over || !kept.text.is_empty()) {
                out.own_text(&header(self.current, count, out)).await?;
            }
            let fresh = kept.text.get(kept.shown..).unwrap_or_default();
            out.model_text(fresh).await?;
            kept.shown = kept.text.len();
            if !kept.over {
                return Ok(());
            }
            if !kept.text.ends_with('\n') {
                out.own_text("\n").await?;
            }
            self.current += 1;
        }
        Ok(())
    }
}

fn header(index: usize, count: usize, out: &Out) -> String {
    format!("{}\n", out.style.heading(&format!("--- {} of {count} ---", index + 1)))
}

/// A token with its log probability and those of its alternatives, as a line.
pub(super) fn with_logprob(id: u32, text: &str, logprob: f32, top: &[(u32, f32)]) -> String {
    let text = clean::line(text);
    let top: Vec<String> = top.iter().map(|(id, logprob)| format!("{id} {logprob:.3}")).collect();
    format!("{logprob:8.3} {id:>8}  {text:<20}  {}\n", top.join(", "))
}
