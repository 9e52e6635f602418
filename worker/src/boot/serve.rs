//! From LOCKED to READY and on: GO, the filters, the model between them.
//!
//! Nothing that the engine made is ever freed: the process ends instead, and the kernel frees all
//! of it at once. So model and context are leaked, and no code of theirs runs on the way out.

use std::{collections::hash_map::RandomState, mem::ManuallyDrop, time::Instant};

use core_wire::worker::{
    FailedCause, ModelFacts, Ready, ToBroker,
    config::{Load, Serve},
};
use llama_cpp_2::{llama_backend::LlamaBackend, token::LlamaToken};

use super::{BootEnd, Booted, ModelFiles, lockdown, tell};
use crate::{
    engine::{
        desk::Desk,
        embed::Embedder,
        encoder,
        facts::{self, Known},
        inference::Inference,
        load::{self, NoModel, Plan, failed},
        sampling::Tools,
        tokenizer::Tokenizer,
        vocabulary, warm,
    },
    link::Link,
    llama::{
        batch::Batch,
        model::{Model, Run},
    },
};

/// The token that warms the engine up; every vocabulary has it.
const WARM_TOKEN: LlamaToken = LlamaToken(0);

/// Microseconds from the start to LOCKED, and the moment of GO: what READY tells of time.
#[derive(Clone, Copy)]
pub(super) struct Times {
    locked_us: u64,
    go: Instant,
}

/// Locks down, loads and serves.
///
/// # Errors
/// [`BootEnd`].
pub(super) fn serve(mut booted: Booted, plan: &Serve) -> Result<(), BootEnd> {
    let times = match locked(&mut booted, plan) {
        Ok(times) => times,
        Err(reason) => return Err(tell(&mut booted.link, reason)),
    };
    let mut link = booted.link;
    let (backend, model) = match read(plan, &mut link) {
        Ok(read) => read,
        Err(reason) => return Err(tell(&mut link, reason)),
    };
    let last = LastSteps { files: booted.models, times };
    match plan.load {
        Load::Vocabulary => serve_vocabulary(link, model, last, plan),
        Load::Weights if facts::is_encoder(model) => {
            serve_encoder(link, backend, model, last, plan)
        }
        Load::Weights => serve_weights(link, backend, model, last, plan),
        Load::Nothing => {
            let reason = failed(FailedCause::Model, "nothing is loaded, so nothing is served");
            Err(tell(&mut link, reason))
        }
    }
}

/// Everything up to the first filter.
pub(super) fn locked(booted: &mut Booted, plan: &Serve) -> Result<Times, NoModel> {
    booted.lock(plan)?;
    let locked_us = micros(booted.began);
    booted.await_go()?;
    let go = Instant::now();
    lockdown::filter_load()?;
    // The keys of this thread's hash maps: asked of the kernel once, and never under SERVE.
    let _keys = RandomState::new();
    Ok(Times { locked_us, go })
}

/// Starts the engine and reads the model's files.
fn read(plan: &Serve, link: &mut Link) -> Result<(&'static LlamaBackend, &'static Model), NoModel> {
    let backend = start()?;
    let source = ModelFiles::source(plan, Run::Real);
    let mut model = load::load(backend, &source, &mut load::telling(link))?;
    if plan.load == Load::Weights {
        load::adapt(&mut model, plan)?;
    }
    Ok((backend, Box::leak(Box::new(model))))
}

/// Starts the engine.
pub(super) fn start() -> Result<&'static LlamaBackend, NoModel> {
    let backend = LlamaBackend::init()
        .map_err(|_| failed(FailedCause::Model, "the engine does not start"))?;
    Ok(Box::leak(Box::new(backend)))
}

fn serve_vocabulary(
    mut link: Link,
    model: &'static Model,
    last: LastSteps,
    plan: &Serve,
) -> Result<(), BootEnd> {
    let tokenizer = Tokenizer::new(model);
    let facts = facts::facts(model, None, known(&tokenizer));
    if let Err(reason) = last.take(&mut link, facts, 1) {
        return Err(tell(&mut link, reason));
    }
    // Not dropped, here and below: unmapping the rings would close what SERVE does not let close.
    let mut desk = ManuallyDrop::new(Desk::new(link, tokenizer, Tools::new(model), plan.slots));
    Ok(vocabulary::serve(&mut desk)?)
}

fn serve_encoder(
    mut link: Link,
    backend: &'static LlamaBackend,
    model: &'static Model,
    last: LastSteps,
    plan: &Serve,
) -> Result<(), BootEnd> {
    let tokenizer = Tokenizer::new(model);
    let plan = Plan::new(plan, model);
    let facts = facts::facts(model, Some(&plan), known(&tokenizer));
    let warm = Embedder::of_encoder(backend, model, plan)
        .map_err(|refusal| failed(FailedCause::Memory, refusal.message))
        .and_then(|mut embedder| {
            encoder::warm_up(&mut embedder, WARM_TOKEN)?;
            last.take(&mut link, facts, plan.threads.unsigned_abs())?;
            Ok(embedder)
        });
    let embedder = match warm {
        Ok(embedder) => embedder,
        Err(reason) => return Err(tell(&mut link, reason)),
    };
    let mut embedder = ManuallyDrop::new(embedder);
    let mut desk = ManuallyDrop::new(Desk::new(link, tokenizer, Tools::new(model), plan.slots));
    Ok(encoder::serve(&mut desk, &mut embedder)?)
}

fn serve_weights(
    mut link: Link,
    backend: &'static LlamaBackend,
    model: &'static Model,
    last: LastSteps,
    plan: &Serve,
) -> Result<(), BootEnd> {
    let tokenizer = Tokenizer::new(model);
    let plan = Plan::new(plan, model);
    let mut batch = Batch::new(plan.n_batch as usize);
    let facts = facts::facts(model, Some(&plan), known(&tokenizer));
    let warm = load::context(backend, model, &plan).and_then(|mut context| {
        warm::warm_up(&mut context, &mut batch, &plan, WARM_TOKEN)?;
        last.take(&mut link, facts, plan.threads.unsigned_abs())?;
        Ok(context)
    });
    let context = match warm {
        Ok(context) => context,
        Err(reason) => return Err(tell(&mut link, reason)),
    };
    let desk = Desk::new(link, tokenizer, Tools::new(model), plan.slots);
    let embedder = Embedder::new(backend, model, plan);
    let mut inference = ManuallyDrop::new(Inference::new(desk, context, batch, embedder, plan));
    Ok(inference.serve()?)
}

/// What stands between a warm engine and the first prompt.
struct LastSteps {
    files: ModelFiles,
    times: Times,
}

impl LastSteps {
    /// Closes the model's files, installs the last filter and says READY.
    fn take(self, link: &mut Link, facts: ModelFacts, threads: u32) -> Result<(), NoModel> {
        drop(self.files);
        let row = lockdown::filter_serve()?;
        link.say(&ToBroker::Ready(Ready {
            facts,
            claims: lockdown::claims(&[row]),
            threads,
            locked_us: self.times.locked_us,
            load_us: micros(self.times.go),
        }))?;
        Ok(())
    }
}

pub(super) fn known(tokenizer: &Tokenizer<'_>) -> Known {
    if tokenizer.has_template() { Known::Yes } else { Known::No }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
