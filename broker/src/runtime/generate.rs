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
    check::{Checked, Place, outside, tokens_of},
    live::{Ask, Work},
};
use crate::{
    models::{
        grammars::{self, Key},
        hash::Digest,
        loader::Stamp,
    },
    scheduler::{Cost, LineId, Part, Task},
    workers::link::Want,
};

impl Core {
    pub(super) fn check_generate(&mut self, generate: Generate) -> Result<Checked, Refusal> {
        let Generate { model, prompt, params } = generate;
        params.check()?;
        prompt.check()?;
        let model = self.model(&model)?;
        if let Prompt::Tokens(ids) = &prompt {
            self.check_ids(&model, ids)?;
            self.check_length(&model, ids.len())?;
        }
        self.check_biases(&model, &params.logit_bias)?;
        let grammar = match &params.grammar {
            Some(grammar) => self.grammar(&model, grammar)?,
            None => None,
        };
        let (class, deadline_ms) = (params.priority, params.deadline_ms);
        let places = self.completions(model, &prompt, params)?;
        Ok(Checked { grammar, places, class, deadline_ms })
    }

    /// One place for each completion; the draws of the one with index i have the seed plus i.
    fn completions(
        &mut self,
        model: ModelId,
        prompt: &Prompt,
        params: Params,
    ) -> Result<Vec<Place>, Refusal> {
        let want = Want::Tokens { max: params.max_tokens, logprobs: params.logprobs };
        let n = params.n;
        let cost = Cost { prompt: tokens_of(prompt), max_tokens: params.max_tokens };
        let first = sampling(params)?;
        let grammar = first.grammar.as_ref().map_or(0, |grammar| grammar.source().len());
        let held = self.hold(prompt, grammar.saturating_mul(n as usize))?;
        let line = LineId::whole(model);
        let places = (0..n).map(|index| {
            let seed = first.seed.wrapping_add(index.into());
            let kind = JobKind::Generate(Box::new(Sampling { seed, ..first.clone() }));
            let ask = Ask::Job(Work { kind, want, prompt: held.clone() });
            Place { task: Task::Generate(line.clone()), ask, cost }
        });
        Ok(places.collect())
    }

    /// What has to be done before a grammar may reach a serving worker: nothing where it is known
    /// to compile.
    fn grammar(
        &mut self,
        model: &ModelId,
        grammar: &Grammar,
    ) -> Result<Option<(Place, Digest)>, Refusal> {
        let digest = grammars::digest(grammar);
        if let Some(model) = self.content(model) {
            match self.grammars.outcome(&Key { model, grammar: digest }) {
                Some(Ok(())) => return Ok(None),
                Some(Err(refusal)) => return Err(refusal.clone()),
                None => {}
            }
        }
        let line = LineId { model: model.clone(), part: Part::Grammar };
        let nothing = Prompt::Text(String::new());
        let work = self.work(JobKind::Compile(grammar.clone()), Want::Nothing, &nothing)?;
        let (task, ask, cost) = (Task::Brief(line), Ask::Job(work), Cost::default());
        Ok(Some((Place { task, ask, cost }, digest)))
    }

    /// The content that serves a model, or that would, where it was read before.
    fn content(&self, model: &ModelId) -> Option<Digest> {
        let entry = self.registry.entry(model)?;
        if entry.served().is_some() {
            return entry.sha256;
        }
        let stamp = Stamp::of_name(self.setup.models.as_fd(), &entry.source.file)?;
        self.hasher.known(&stamp)
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
