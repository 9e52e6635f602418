//! Model, context and batch on the engine that was built beside the tests.

use core_wire::worker::config::{KvType, Load, Weights};
use llama_cpp_2::token::LlamaToken;

use crate::{
    engine::sampling::tests::{BACKEND, story},
    llama::{
        batch::{Batch, BatchFull},
        context::{Context, DecodeError, Output, SequenceError, Shape},
        model::{Model, Run, Source},
    },
};

/// Tokens of the text that is computed.
const LENGTH: i32 = 40;

/// The model that ships with its weights.
pub(crate) fn model() -> Model {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(|deps| deps.parent()).unwrap();
    let backend = &BACKEND;
    assert!(!backend.supports_gpu_offload());
    crate::llama::load_variant(&built.join("engine/libggml-cpu-x64.so")).unwrap();
    let source = Source {
        parts: vec![story()],
        load: Load::Weights,
        weights: Weights::Shared,
        gpu_layers: 0,
        run: Run::Real,
    };
    Model::load(backend, &source, &mut |_| true).unwrap()
}

fn context(model: &Model, kv: KvType) -> Context<'_> {
    let shape = Shape {
        n_ctx: 256,
        sequences: 3,
        n_batch: 64,
        n_ubatch: 32,
        threads: 1,
        kv,
        output: Output::Logits,
    };
    Context::new(&BACKEND, model, shape).unwrap()
}

/// Computes ids `0..LENGTH` as `sequence`.
fn fill(context: &mut Context<'_>, sequence: i32) {
    let mut batch = Batch::new(64);
    for id in 0..LENGTH {
        batch.add(LlamaToken::new(id), id, sequence).unwrap();
    }
    context.decode(&mut batch).unwrap();
}

/// Logits of id 7 behind what `sequence` holds.
fn next(context: &mut Context<'_>, sequence: i32) -> Vec<f32> {
    let mut batch = Batch::new(1);
    batch.add(LlamaToken::new(7), LENGTH, sequence).unwrap();
    let row = batch.want_output().unwrap();
    context.decode(&mut batch).unwrap();
    context.synchronize();
    context.logits(row).unwrap().to_vec()
}

#[test]
fn a_state_goes_on_where_it_was_saved() {
    let model = model();
    for kv in [KvType::F16, KvType::Q8, KvType::Q4] {
        let mut context = context(&model, kv);
        fill(&mut context, 0);
        assert_eq!(context.last_position(0), Ok(Some(39)));
        let state = context.state(0).unwrap();
        assert_eq!(Ok(state.len()), context.state_size(0));
        let expected = next(&mut context, 0);
        assert_eq!(context.set_state(2, &state), Ok(40), "{kv:?}");
        assert_eq!(next(&mut context, 2), expected, "{kv:?}: the same cells, the same logits");
    }
}

#[test]
fn a_state_that_is_cut_or_of_another_shape_leaves_an_empty_sequence() {
    let model = model();
    let mut plain = context(&model, KvType::F16);
    fill(&mut plain, 0);
    let state = plain.state(0).unwrap();
    let longer = [&state[..], &[0]].concat();
    let mut other = context(&model, KvType::Q8);
    for bad in [&[][..], &state[..10], &state[..state.len() - 1], &longer] {
        assert_eq!(plain.set_state(1, bad), Err(SequenceError::Engine), "{} bytes", bad.len());
        assert_eq!(plain.last_position(1), Ok(None));
    }
    assert_eq!(other.set_state(1, &state), Err(SequenceError::Engine), "another type");
    assert_eq!(plain.set_state(1, &state), Ok(40), "and the context still works");
}

#[test]
fn what_the_engine_would_abort_at_never_reaches_it() {
    let model = model();
    let mut context = context(&model, KvType::F16);
    let mut step = |token: i32, position: i32, sequence: i32, count: usize| {
        let mut batch = Batch::new(100);
        for _ in 0..count {
            batch.add(LlamaToken::new(token), position, sequence).unwrap();
        }
        context.decode(&mut batch)
    };
    let last = model.n_vocab();
    let bad = [(0, 0, 0, 0), (0, 0, 0, 65), (-1, 0, 0, 1), (last, 0, 0, 1), (0, -1, 0, 1)];
    for (token, position, sequence, count) in bad.into_iter().chain([(0, 0, 3, 1), (0, 0, -1, 1)]) {
        let answer = step(token, position, sequence, count);
        assert_eq!(answer, Err(DecodeError::Batch), "{token} {position} {sequence} {count}");
    }
    assert_eq!(step(0, 0, 0, 1), Ok(()));
    let mut greedy = Batch::new(4);
    for position in 1..5 {
        greedy.add(LlamaToken::new(0), position, 0).unwrap();
        greedy.want_output();
    }
    assert_eq!(context.decode(&mut greedy), Err(DecodeError::Batch), "4 rows for 3 sequences");
    fill(&mut context, 1);
    assert!(context.logits(0).is_none(), "it wanted none");
    assert!(context.logits(1).is_none() && context.logits(-1).is_none(), "no such row");
    assert_eq!(context.copy(0, 3, 1), Err(SequenceError::Range));
    assert_eq!(context.copy(-1, 0, 1), Err(SequenceError::Range));
    assert_eq!(context.remove(256, 0), Err(SequenceError::Range));
    assert_eq!(context.remove(0, u32::MAX), Err(SequenceError::Range));
    assert_eq!(context.state(7).err(), Some(SequenceError::Range));
    assert_eq!(context.set_state(7, &[]), Err(SequenceError::Range));
    assert_eq!(context.last_position(-1), Err(SequenceError::Range));
}

#[test]
fn a_full_cache_is_told_apart_from_a_broken_engine() {
    let model = model();
    let mut context = context(&model, KvType::F16);
    let mut fed = Ok(());
    for step in 0..5 {
        let mut batch = Batch::new(64);
        for at in 0..64 {
            batch.add(LlamaToken::new(1), step * 64 + at, 0).unwrap();
        }
        fed = context.decode(&mut batch);
    }
    assert_eq!(fed, Err(DecodeError::NoCell), "the fifth step has no room in 256 cells");
}

#[test]
fn a_batch_is_never_larger_than_it_was_made() {
    let mut batch = Batch::new(1);
    assert_eq!(batch.want_output(), None);
    assert_eq!(batch.add(LlamaToken::new(1), 0, 0), Ok(()));
    assert_eq!(batch.add(LlamaToken::new(1), 1, 0), Err(BatchFull));
    assert_eq!((batch.want_output(), batch.len()), (Some(0), 1));
    batch.clear();
    assert_eq!(batch.len(), 0);
}

#[test]
fn a_load_that_is_stopped_or_finds_nothing_gives_no_model() {
    drop(model());
    let source = |parts| Source {
        parts,
        load: Load::Weights,
        weights: Weights::Shared,
        gpu_layers: 0,
        run: Run::Real,
    };
    let load = |parts, go: bool| Model::load(&BACKEND, &source(parts), &mut |_| go);
    assert!(load(vec![story()], false).is_none(), "stopped");
    assert!(load(vec!["/nowhere.gguf".into()], true).is_none());
    assert!(load(Vec::new(), true).is_none());
    assert!(load(vec!["/a\0b".into()], true).is_none());
}
