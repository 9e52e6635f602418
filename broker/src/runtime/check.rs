//! What a request must be before it gets a place: ranges, a model that is known, ids within its
//! vocabulary, a prompt that may be held. Nothing is kept of one that is refused.

mod hold;
#[cfg(test)]
mod tests;

use std::os::fd::AsFd as _;

use core_wire::{
    client::{Priority, Prompt, Request},
    code::{Code, Refusal},
    ids::ModelId,
    worker::JobKind,
};
use tokio::time::Instant;

use super::{Core, contexts::Session, live::Ask};
use crate::{
    models::hash::Digest,
    scheduler::{Bound, Cost, LineId, Part, Task},
    workers::link::Want,
};

/// How often the time of one look at models/ passes before the next one, unless a name came to it
/// or went.
const LOOK_PAUSE: u32 = 9;

/// A request that was checked, ready for the scheduler.
pub(super) struct Checked {
    /// What has to succeed before anything else of it gets a place, with the grammar's digest.
    pub(super) grammar: Option<(Place, Digest)>,
    /// What takes a place there: one, or one for each completion.
    pub(super) places: Vec<Place>,
    pub(super) class: Priority,
    pub(super) deadline_ms: Option<u32>,
}

/// What takes one place in the scheduler.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) task: Task,
    pub(super) ask: Ask,
    pub(super) cost: Cost,
    pub(super) bound: Bound,
}

impl Core {
    /// Everything that can be said of a request before it gets a place.
    pub(super) fn check(&mut self, session: Session, request: Request) -> Result<Checked, Refusal> {
        match request {
            Request::Generate(generate) => self.check_generate(session, *generate),
            Request::Tokenize { model, text, special } => {
                let line = self.vocabulary_of(&model)?;
                let (kind, text) = (JobKind::Tokenize(special), Prompt::Text(text));
                let work = self.work(session, kind, Want::Ids, &text)?;
                Ok(Checked::of(Task::Brief(line), Ask::Job(work)))
            }
            Request::Detokenize { model, tokens } => {
                let line = self.vocabulary_of(&model)?;
                self.check_ids(&line.model, &tokens)?;
                let tokens = Prompt::Tokens(tokens);
                let work = self.work(session, JobKind::Detokenize, Want::Text, &tokens)?;
                let (task, cost, bound) = (Task::Brief(line), Cost::default(), Bound::Vocabulary);
                Ok(Checked::one(Place { task, ask: Ask::Job(work), cost, bound }))
            }
            Request::Embed { model, input } => self.check_embed(session, &model, &input),
            Request::Load { model } => self.place(&model, Task::Load),
            Request::Unload { model } => self.place(&model, Task::Unload),
            Request::Drain | Request::Shutdown => Ok(Checked::of(Task::Drain, Ask::Drain)),
            // Answered at once before this is reached; a refusal keeps even a mistake here
            // harmless.
            Request::Cancel { .. }
            | Request::Models
            | Request::Status
            | Request::Audit
            | Request::Detach { .. }
            | Request::Attach { .. }
            | Request::Withdraw { .. } => Err(placeless()),
            Request::Swap { model, file } => self.check_swap(&model, &file),
            Request::Save { model, name } => self.check_save(session, &model, name),
            Request::Restore { model, name } => self.check_restore(session, &model, name),
            Request::Publish { model, prompt } => self.check_publish(session, &model, &prompt),
        }
    }

    fn check_embed(
        &mut self,
        session: Session,
        model: &str,
        input: &Prompt,
    ) -> Result<Checked, Refusal> {
        input.check()?;
        let model = self.model(model)?;
        let work = self.work(session, JobKind::Embed, Want::Floats, input)?;
        let cost = Cost { prompt: tokens_of(input), max_tokens: 0 };
        let task = Task::Embed(self.registry.line(model, Part::Whole));
        let bound = bound_of(input);
        Ok(Checked::one(Place { task, ask: Ask::Job(work), cost, bound }))
    }

    fn place(&mut self, name: &str, task: fn(LineId) -> Task) -> Result<Checked, Refusal> {
        let model = self.model(name)?;
        let line = self.registry.line(model.clone(), Part::Whole);
        Ok(Checked::of(task(line), Ask::Place(model)))
    }

    /// The model that a client names; an unknown name makes the broker look again.
    pub(super) fn model(&mut self, name: &str) -> Result<ModelId, Refusal> {
        if let Some(model) = self.registry.find(name)? {
            return Ok(model);
        }
        self.look_again();
        self.registry.find(name)?.ok_or_else(|| self.registry.unknown(name))
    }

    /// Looks for a model that was added, at the price of a tenth of the time at most: a client that
    /// names nothing but unknown models must not hold up the others. A file that has just come is
    /// looked at in any case, however long the last look took; no client can bring one.
    fn look_again(&mut self) {
        let began = Instant::now();
        if began >= self.next_look || self.registry.is_behind(self.setup.models.as_fd()) {
            self.rescan();
            self.next_look = Instant::now() + began.elapsed() * LOOK_PAUSE;
        }
    }

    /// The model of a prompt that is to be continued, once that is one which it may get.
    pub(super) fn prompted(&mut self, name: &str, prompt: &Prompt) -> Result<ModelId, Refusal> {
        prompt.check()?;
        let model = self.model(name)?;
        if let Prompt::Tokens(ids) = prompt {
            self.check_ids(&model, ids)?;
            self.check_length(&model, ids.len())?;
        }
        Ok(model)
    }

    /// Ids are checked here as soon as the vocabulary is known, and in the worker in any case.
    pub(super) fn check_ids(&self, model: &ModelId, ids: &[u32]) -> Result<(), Refusal> {
        let Some(facts) = self.registry.entry(model).and_then(|entry| entry.served()) else {
            return Ok(());
        };
        outside(ids.iter().copied(), facts.n_vocab, "token").map_or(Ok(()), Err)
    }

    fn check_length(&self, model: &ModelId, tokens: usize) -> Result<(), Refusal> {
        let Some(facts) = self.registry.entry(model).and_then(|entry| entry.served()) else {
            return Ok(());
        };
        if tokens < facts.n_ctx as usize {
            return Ok(());
        }
        let message = format!(
            "the prompt has {tokens} tokens; the context of {} leaves room for at most {}",
            facts.n_ctx,
            facts.n_ctx.saturating_sub(1)
        );
        Err(Refusal::new(Code::PromptTooLong, message))
    }
}

impl Place {
    /// Notes the content of the model's file that its grammar compiled for.
    pub(super) fn compiled_for(&mut self, content: Digest) {
        if let Ask::Job(work) = &mut self.ask {
            work.compiled_for = Some(content);
        }
        self.bound = Bound::Edition;
    }
}

impl Checked {
    pub(super) fn of(task: Task, ask: Ask) -> Self {
        Self::one(Place { task, ask, cost: Cost::default(), bound: Bound::Model })
    }

    pub(super) fn one(place: Place) -> Self {
        let places = vec![place];
        Self { grammar: None, places, class: Priority::Normal, deadline_ms: None }
    }
}

/// What a prompt was made for.
pub(super) fn bound_of(prompt: &Prompt) -> Bound {
    match prompt {
        Prompt::Text(_) | Prompt::Chat(_) => Bound::Model,
        Prompt::Tokens(_) => Bound::Vocabulary,
    }
}

/// Tokens of a prompt: exact for ids, a guess for text until the worker has counted it. Four bytes
/// a token is what usual text has. One that has more is held back by the worker, which knows
/// exactly; a guess that reserves too much would hold up the whole line for cells that are free.
pub(super) fn tokens_of(prompt: &Prompt) -> u32 {
    /// What a template or the start of a sequence adds to a text, and a rounding up.
    const EXTRA: usize = 8;
    const TOKEN_BYTES: usize = 4;
    let guess = |bytes: usize| bytes / TOKEN_BYTES + EXTRA;
    let tokens = match prompt {
        Prompt::Text(text) => guess(text.len()),
        Prompt::Tokens(ids) => ids.len(),
        Prompt::Chat(messages) => {
            messages.iter().map(|message| guess(message.role.len() + message.content.len())).sum()
        }
    };
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

/// The refusal for the first of some ids that is outside the vocabulary, if one is.
pub(super) fn outside(
    mut ids: impl Iterator<Item = u32>,
    n_vocab: u32,
    what: &str,
) -> Option<Refusal> {
    let id = ids.find(|&id| id >= n_vocab)?;
    let last = n_vocab.saturating_sub(1);
    let message = format!("{what} {id} is outside the vocabulary; 0 to {last} are in it");
    Some(Refusal::new(Code::BadToken, message))
}

/// It was to be answered at once.
fn placeless() -> Refusal {
    Refusal::new(Code::Internal, "this request takes no place in a queue")
}
