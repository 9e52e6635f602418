//! A throwaway process that says what a model is and what a worker for it would take.
//!
//! It reads the same hostile files as one that serves, so it is locked down in the same way; it
//! leaves with its answer and never sees a prompt. One that tells of GPUs is given no file.

use core_wire::worker::{
    FailedCause, Inspected, ModelFacts, Needs, ToBroker,
    config::{Load, Serve},
};
use llama_cpp_2::llama_backend::LlamaBackend;

use super::{BootEnd, Booted, ModelFiles, serve, tell};
use crate::{
    engine::{
        embed::Embedder,
        facts,
        load::{self, NoModel, Plan, failed},
        needs::Found,
        tokenizer::Tokenizer,
    },
    llama::{
        devices::devices,
        memory::heap_bytes,
        model::{Model, Run},
    },
};

/// Locks down, looks, answers.
///
/// # Errors
/// [`BootEnd`].
pub(super) fn inspect(mut booted: Booted, plan: &Serve) -> Result<(), BootEnd> {
    match look(&mut booted, plan) {
        Ok(inspected) => Ok(booted.link.say(&ToBroker::Inspected(inspected))?),
        Err(reason) => Err(tell(&mut booted.link, reason)),
    }
}

fn look(booted: &mut Booted, plan: &Serve) -> Result<Inspected, NoModel> {
    // Asked before the filter, which has no call for it.
    let adapters = booted.models.bytes_from(plan.parts.into());
    let _times = serve::locked(booted, plan)?;
    let backend = serve::start()?;
    if plan.load == Load::Nothing {
        let (facts, needs) = (ModelFacts::default(), Needs::default());
        return Ok(Inspected { facts, needs, devices: devices() });
    }
    let mut model = load::load(backend, &ModelFiles::source(plan, Run::Dry), &mut |_| true)?;
    let found = Found {
        heap: heap_bytes(),
        ids: u32::try_from(model.n_vocab()).unwrap_or(0),
        ..Found::default()
    };
    if plan.load == Load::Vocabulary {
        let facts = facts::facts(&model, None, serve::known(&Tokenizer::new(&model)));
        return Ok(Inspected { facts, needs: found.needs(), devices: Vec::new() });
    }
    load::adapt(&mut model, plan)?;
    let serving = Plan::new(plan, &model);
    let facts = facts::facts(&model, Some(&serving), serve::known(&Tokenizer::new(&model)));
    let found = dry_run(backend, &model, &serving, Found { adapters, ..found })?;
    Ok(Inspected { facts, needs: found.needs(), devices: Vec::new() })
}

/// Makes the contexts that a worker would have, and asks what they take.
fn dry_run(
    backend: &LlamaBackend,
    model: &Model,
    plan: &Plan,
    mut found: Found,
) -> Result<Found, NoModel> {
    let short = |message: String| failed(FailedCause::Memory, message);
    let silent = || failed(FailedCause::Model, "the engine does not say what this model takes");
    if facts::is_encoder(model) {
        let embedder = Embedder::of_encoder(backend, model, *plan);
        let mut embedder = embedder.map_err(|refusal| short(refusal.message))?;
        let context = embedder.context().map_err(|refusal| short(refusal.message))?;
        (found.serving, found.outputs) = (context.taken().ok_or_else(silent)?, context.outputs());
        return Ok(found);
    }
    let mut context = load::context(backend, model, plan)?;
    found.serving = context.taken().ok_or_else(silent)?;
    let mut embedder = Embedder::new(backend, model, *plan);
    let embedding = embedder.context().map_err(|refusal| short(refusal.message))?;
    found.embedding = embedding.taken().ok_or_else(silent)?;
    found.outputs = context.outputs().saturating_add(embedding.outputs());
    Ok(found)
}
