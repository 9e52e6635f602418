//! What a request must be before it gets a place: ranges, a model that is known, ids within its
//! vocabulary, a prompt that may be held. Nothing is kept of one that is refused.

use std::rc::Rc;

use core_wire::{
    client::{Generate, Params, Priority, Prompt, Request},
    code::{Code, Refusal},
    codec,
    ids::ModelId,
    limits::CLIENT_FRAME_BYTES_CEILING,
    worker::{JobKind, Sampling, job::EndOfGeneration},
};
use tokio::time::Instant;

use super::{
    Core,
    live::{Ask, Work},
};
use crate::{
    models::registry,
    scheduler::{Cost, LineId, Task},
    workers::{feed::Held, link::Want},
};

/// How often the time of one look at models/ passes before the next one. A usual directory takes
/// 0.1 ms, so whoever adds a file and asks for it is not turned away.
const LOOK_PAUSE: u32 = 9;

/// A request that was checked, ready for the scheduler.
pub(super) struct Checked {
    pub(super) task: Task,
    pub(super) ask: Ask,
    pub(super) class: Priority,
    pub(super) cost: Cost,
    pub(super) deadline_ms: Option<u32>,
}

impl Core {
    /// Everything that can be said of a request before it gets a place.
    pub(super) fn check(&mut self, request: Request) -> Result<Checked, Refusal> {
        match request {
            Request::Generate(generate) => self.check_generate(*generate),
            Request::Tokenize { model, text, special } => {
                let model = self.model(&model)?;
                let work = self.work(JobKind::Tokenize(special), Want::Ids, &Prompt::Text(text))?;
                Ok(Checked::of(Task::Brief(LineId::whole(model)), Ask::Job(work)))
            }
            Request::Detokenize { model, tokens } => {
                let model = self.model(&model)?;
                self.check_ids(&model, &tokens)?;
                let work = self.work(JobKind::Detokenize, Want::Text, &Prompt::Tokens(tokens))?;
                Ok(Checked::of(Task::Brief(LineId::whole(model)), Ask::Job(work)))
            }
            Request::Embed { model, input } => {
                input.check()?;
                let model = self.model(&model)?;
                let work = self.work(JobKind::Embed, Want::Text, &input)?;
                Ok(Checked::of(Task::Brief(LineId::whole(model)), Ask::Job(work)))
            }
            Request::Load { model } => self.place(&model, Task::Load),
            Request::Unload { model } => self.place(&model, Task::Unload),
            Request::Drain | Request::Shutdown => Ok(Checked::of(Task::Drain, Ask::Drain)),
            // Answered at once before this is reached; a refusal keeps even a mistake here
            // harmless.
            Request::Cancel { .. } | Request::Models | Request::Status | Request::Audit => {
                Err(Refusal::new(Code::Internal, "this request takes no place in a queue"))
            }
        }
    }

    fn check_generate(&mut self, generate: Generate) -> Result<Checked, Refusal> {
        let Generate { model, prompt, params } = generate;
        params.check()?;
        prompt.check()?;
        let model = self.model(&model)?;
        if let Prompt::Tokens(ids) = &prompt {
            self.check_ids(&model, ids)?;
            self.check_length(&model, ids.len())?;
        }
        let (class, deadline_ms) = (params.priority, params.deadline_ms);
        let cost = Cost { prompt: tokens_of(&prompt), max_tokens: params.max_tokens };
        let want = Want::Tokens { max: params.max_tokens };
        let kind = JobKind::Generate(Box::new(sampling(params)?));
        let ask = Ask::Job(self.work(kind, want, &prompt)?);
        Ok(Checked { task: Task::Generate(LineId::whole(model)), ask, class, cost, deadline_ms })
    }

    fn place(&mut self, name: &str, task: fn(LineId) -> Task) -> Result<Checked, Refusal> {
        let model = self.model(name)?;
        Ok(Checked::of(task(LineId::whole(model.clone())), Ask::Place(model)))
    }

    fn work(&mut self, kind: JobKind, want: Want, prompt: &Prompt) -> Result<Work, Refusal> {
        let prompt = codec::encode(prompt)
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        if prompt.len() > CLIENT_FRAME_BYTES_CEILING {
            let message = format!(
                "the prompt takes {} bytes; at most {CLIENT_FRAME_BYTES_CEILING} fit any worker",
                prompt.len()
            );
            return Err(Refusal::new(Code::PromptTooLong, message));
        }
        let charge = self.prompts.charge(prompt.len())?;
        Ok(Work { kind, want, prompt: Rc::new(Held::new(prompt, charge)) })
    }

    /// The model that a client names; an unknown name makes the broker look again.
    fn model(&mut self, name: &str) -> Result<ModelId, Refusal> {
        if let Some(model) = self.registry.find(name)? {
            return Ok(model);
        }
        self.look_again();
        self.registry.find(name)?.ok_or_else(|| registry::unknown(name))
    }

    /// Looks for a model that was added, at the price of a tenth of the time at most: a client that
    /// names nothing but unknown models must not hold up the others.
    fn look_again(&mut self) {
        let began = Instant::now();
        if began >= self.next_look {
            self.rescan();
            self.next_look = Instant::now() + began.elapsed() * LOOK_PAUSE;
        }
    }

    /// Ids are checked here as soon as the vocabulary is known, and in the worker in any case.
    fn check_ids(&self, model: &ModelId, ids: &[u32]) -> Result<(), Refusal> {
        let Some(facts) = self.registry.entry(model).and_then(|entry| entry.served()) else {
            return Ok(());
        };
        match ids.iter().find(|&&id| id >= facts.n_vocab) {
            Some(id) => {
                let last = facts.n_vocab.saturating_sub(1);
                let message =
                    format!("token {id} is outside the vocabulary; 0 to {last} are in it");
                Err(Refusal::new(Code::BadToken, message))
            }
            None => Ok(()),
        }
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

impl Checked {
    fn of(task: Task, ask: Ask) -> Self {
        let (class, cost, deadline_ms) = (Priority::Normal, Cost::default(), None);
        Self { task, ask, class, cost, deadline_ms }
    }
}

/// Tokens of a prompt: exact for ids, a guess for text until the worker has counted it. Two bytes a
/// token is more than usual text has, so that a guess rather reserves too much.
fn tokens_of(prompt: &Prompt) -> u32 {
    /// What a template or the start of a sequence adds to a text, and a rounding up.
    const EXTRA: usize = 8;
    let guess = |bytes: usize| bytes / 2 + EXTRA;
    let tokens = match prompt {
        Prompt::Text(text) => guess(text.len()),
        Prompt::Tokens(ids) => ids.len(),
        Prompt::Chat(messages) => {
            messages.iter().map(|message| guess(message.role.len() + message.content.len())).sum()
        }
    };
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

/// What the worker is told; a seed is chosen where the client gave none (decision D10).
fn sampling(params: Params) -> Result<Sampling, Refusal> {
    let seed = match params.seed {
        Some(seed) => seed,
        None => getrandom::u64()
            .map_err(|_| Refusal::new(Code::Internal, "the kernel gives no random seed"))?,
    };
    let end = if params.ignore_eos { EndOfGeneration::IsAToken } else { EndOfGeneration::Stops };
    Ok(Sampling {
        max_tokens: params.max_tokens,
        temperature: params.temperature,
        top_k: params.top_k,
        top_p: params.top_p,
        min_p: params.min_p,
        seed,
        stop: params.stop,
        end,
        filters: params.filters,
        penalties: params.penalties,
        logit_bias: params.logit_bias,
        logprobs: params.logprobs,
        grammar: params.grammar,
    })
}
