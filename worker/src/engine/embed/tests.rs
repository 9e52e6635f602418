use std::time::Duration;

use core_wire::{code::Code, ids::JobId, worker::config::KvType};
use llama_cpp_2::token::LlamaToken;

use super::{
    Beside, Embedder, Text,
    pooling::{Pooled, Pooling},
};
use crate::{
    context::pool::Sharing,
    engine::{load::Plan, sampling::tests::BACKEND},
    llama::tests::computing::model,
};

const TOKENS: [[f32; 2]; 3] = [[3.0, 0.0], [0.0, 2.0], [0.0, 2.0]];

fn pooled(pooling: Pooling, tokens: &[[f32; 2]]) -> Option<Vec<f32>> {
    let mut pooled = Pooled::new(pooling);
    tokens.iter().for_each(|token| pooled.add(token));
    pooled.finish()
}

#[test]
fn each_pooling_counts_its_tokens_and_gives_length_one() {
    assert_eq!(pooled(Pooling::Mean, &TOKENS), Some(vec![0.6, 0.8]));
    assert_eq!(pooled(Pooling::Cls, &TOKENS), Some(vec![1.0, 0.0]));
    assert_eq!(pooled(Pooling::Last, &TOKENS), Some(vec![0.0, 1.0]));
}

#[test]
fn zeros_stay_zeros_and_what_is_no_number_is_no_embedding() {
    assert_eq!(pooled(Pooling::Mean, &[[0.0, 0.0]]), Some(vec![0.0, 0.0]));
    assert_eq!(pooled(Pooling::Mean, &[[f32::NAN, 0.0]]), None);
    assert_eq!(pooled(Pooling::Last, &[[f32::INFINITY, 0.0]]), None);
}

fn plan() -> Plan {
    Plan {
        kv: KvType::F16,
        n_ctx: 512,
        slots: 1,
        n_batch: 64,
        n_ubatch: 64,
        threads: 1,
        sequences: 1,
        step_max: Duration::from_secs(10),
        idle_cells: 0,
        sharing: Sharing::Parts,
    }
}

/// Embeds a text of these ids.
fn embed(embedder: &mut Embedder<'_>, ids: &[i32]) -> Result<Vec<f32>, Code> {
    let tokens = ids.iter().map(|&id| LlamaToken::new(id)).collect();
    embedder.begin(Text { job: JobId(1), tokens }).map_err(|refusal| refusal.code)?;
    for _slice in ids {
        match embedder.advance(Beside::Nobody) {
            Ok(None) => {}
            Ok(Some(embedding)) => return Ok(embedding),
            Err(refusal) => return Err(refusal.code),
        }
    }
    panic!("each slice has a token at least");
}

#[test]
fn a_text_that_the_engine_fails_on_leaves_nothing_behind() {
    let model = model();
    let mut embedder = Embedder::new(&BACKEND, &model, plan());
    let ids: Vec<i32> = (10..110).collect();
    let before = embed(&mut embedder, &ids).unwrap();
    // Slices before it are in the cache when the engine meets an id that it does not have.
    let mut broken = ids.clone();
    broken[99] = model.n_vocab();
    assert_eq!(embed(&mut embedder, &broken), Err(Code::Internal));
    assert!(embedder.is_idle());
    let after = embed(&mut embedder, &ids).unwrap();
    let likeness: f32 = before.iter().zip(&after).map(|(a, b)| a * b).sum();
    assert!(likeness > 0.999, "{likeness}: cut into other slices");
}

#[test]
fn an_encoder_takes_shorter_texts_since_it_computes_them_in_one_piece() {
    let model = model();
    let plan = Plan { n_ctx: 4096, ..plan() };
    let in_order = Embedder::new(&BACKEND, &model, plan).tokens_max();
    let at_once = Embedder::of_encoder(&BACKEND, &model, plan).unwrap().tokens_max();
    assert_eq!((in_order, at_once), (2048, 1024));
}
