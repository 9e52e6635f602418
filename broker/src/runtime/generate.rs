//! What a request for tokens must be, and what its jobs are.

use std::os::fd::AsFd as _;

use core_wire::{
    client::{Generate, Grammar, Params, Prompt},
    code::{Code, Refusal},
    ids::ModelId,
    worker::{JobKind, Sampling, job::EndOfGeneration},
};

use super::{
    Core,
    check::{Checked, Place, bound_of, outside, tokens_of},
    contexts::{Scope, Session},
    live::{Ask, Work},
    worker::Worker,
};
use crate::{
    models::{
        files::Names,
        grammars::{self, Key},
        hash::Digest,
    },
    scheduler::{Bound, Cost, Part, Task},
    workers::link::Want,
};

/// When to try again after `MODEL_CHANGED`: another worker has read the vocabulary by then.
const CHANGED_RETRY_MS: u32 = 1_000;

/// Bytes that are set aside for each token that may come, for as long as its request is open: its
/// id in a list that may have grown to twice its length, and its encoding of up to five bytes on
/// the way to the next worker.
const JOURNAL_BYTES_EACH: usize = 16;

/// What is known of a grammar.
enum Known {
    /// It compiles for this content of the model's file.
    Compiles(Digest),
    /// Nothing: this is to be done first; with the grammar's digest.
    No(Box<Place>, Digest),
}

impl Core {
    pub(super) fn check_generate(
        &mut self,
        session: Session,
        generate: Generate,
    ) -> Result<Checked, Refusal> {
        let Generate { model, prompt, params } = generate;
        params.check()?;
        let model = self.prompted(&model, &prompt)?;
        self.check_biases(&model, &params.logit_bias)?;
        let grammar = params.grammar.as_ref();
        let grammar = grammar.map(|grammar| self.grammar(session, &model, grammar)).transpose()?;
        let (class, deadline_ms) = (params.priority, params.deadline_ms);
        let mut places = self.completions(session, model, &prompt, params)?;
        let grammar = match grammar {
            Some(Known::Compiles(content)) => {
                places.iter_mut().for_each(|place| place.compiled_for(content));
                None
            }
            Some(Known::No(compile, digest)) => Some((*compile, digest)),
            None => None,
        };
        Ok(Checked { grammar, places, class, deadline_ms })
    }

    /// One place for each completion; the draws of the one with index i have the seed plus i.
    fn completions(
        &mut self,
        session: Session,
        model: ModelId,
        prompt: &Prompt,
        params: Params,
    ) -> Result<Vec<Place>, Refusal> {
        let want = Want::Tokens { max: params.max_tokens, logprobs: params.logprobs };
        let (n, max_tokens, scope) = (params.n, params.max_tokens, Scope::of(params.cache));
        let cost = Cost { prompt: tokens_of(prompt), max_tokens: params.max_tokens };
        let bound = match params.logit_bias.is_empty() {
            true => bound_of(prompt),
            false => Bound::Vocabulary,
        };
        let first = sampling(params)?;
        let grammar = first.grammar.as_ref().map_or(0, |grammar| grammar.source().len());
        let line = self.registry.line(model, Part::Whole);
        let kept = journal_bytes(max_tokens.min(self.n_ctx_max(&line)));
        let each = grammar.saturating_add(kept);
        let held = self.hold(session, prompt, each.saturating_mul(n as usize))?;
        let places = (0..n).map(|index| {
            let seed = first.seed.wrapping_add(index.into());
            let kind = JobKind::Generate(Box::new(Sampling { seed, ..first.clone() }));
            let prompt = held.clone();
            let ask =
                Ask::Job(Work { kind, want, prompt, scope: scope.clone(), compiled_for: None });
            Place { task: Task::Generate(line.clone()), ask, cost, bound }
        });
        Ok(places.collect())
    }

    /// What has to be done before a grammar may reach a serving worker.
    fn grammar(
        &mut self,
        session: Session,
        model: &ModelId,
        grammar: &Grammar,
    ) -> Result<Known, Refusal> {
        let digest = grammars::digest(grammar);
        if let Some(model) = self.content(model) {
            match self.grammars.outcome(&Key { model, grammar: digest }) {
                Some(Ok(())) => return Ok(Known::Compiles(model)),
                Some(Err(refusal)) => return Err(refusal.clone()),
                None => {}
            }
        }
        let line = self.registry.line(model.clone(), Part::Grammar);
        let nothing = Prompt::Text(String::new());
        let kind = JobKind::Compile(grammar.clone());
        let work = self.work(session, kind, Want::Nothing, &nothing)?;
        let (task, ask, cost) = (Task::Brief(line), Ask::Job(work), Cost::default());
        let bound = Bound::Edition;
        Ok(Known::No(Box::new(Place { task, ask, cost, bound }), digest))
    }

    /// Whether a worker compiles grammars for other content than serves its model, or would: the
    /// file was replaced since it was opened.
    pub(super) fn is_outdated(&self, worker: &Worker) -> bool {
        let line = worker.line.as_ref().filter(|line| line.part == Part::Grammar);
        let content = line.and_then(|line| self.content(&line.model));
        content.is_some() && content != worker.digest
    }

    /// The content that serves a model, or that would, where it was read before.
    fn content(&self, model: &ModelId) -> Option<Digest> {
        let entry = self.registry.entry(model)?;
        if entry.served().is_some() {
            return entry.sha256;
        }
        let names = Names::of(&entry.source).ok()?;
        self.hasher.known_of(&names.content(self.setup.models.as_fd()))
    }

    /// As with the ids of a prompt: here as soon as the vocabulary is known.
    fn check_biases(&self, model: &ModelId, biases: &[(u32, f32)]) -> Result<(), Refusal> {
        let Some(facts) = self.registry.entry(model).and_then(|entry| entry.served()) else {
            return Ok(());
        };
        let ids = biases.iter().map(|&(id, _)| id);
        outside(ids, facts.n_vocab, "token of logit_bias").map_or(Ok(()), Err)
    }
}

/// What the journal of an answer of so many tokens takes at most.
fn journal_bytes(tokens: u32) -> usize {
    usize::try_from(tokens).unwrap_or(usize::MAX).saturating_mul(JOURNAL_BYTES_EACH)
}

/// The file of a model was replaced between a grammar and the worker that would use it.
pub(super) fn changed() -> Refusal {
    let message = "the grammar compiled for another file than the model's: ask again, or \
                   unload the model first if its file was replaced";
    Refusal::new(Code::ModelChanged, message).after(CHANGED_RETRY_MS)
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
