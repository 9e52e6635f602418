mod find;
mod isolation;
mod keep;

use core_wire::ids::{DomainId, JobId};
use llama_cpp_2::token::LlamaToken;

use super::{Ask, Begun, Cache, Entry, Limits};
use crate::context::pool::Sharing;

const ROOMY: Limits = Limits { n_ctx: 1000, idle: 500, sequences: 6, sharing: Sharing::Parts };

const A: Option<DomainId> = Some(DomainId(1));
const B: Option<DomainId> = Some(DomainId(2));
const PUBLIC: Option<DomainId> = Some(DomainId::PUBLIC);

/// Tokens `0..count`, the last `tail` of them of another kind.
fn text(count: i32, tail: i32) -> Vec<LlamaToken> {
    (0..count).map(|at| LlamaToken::new(if at < count - tail { at } else { 1000 + at })).collect()
}

fn ask(domain: Option<DomainId>, tokens: &[LlamaToken]) -> Ask<'_> {
    Ask { domain, named: None, tokens }
}

fn entry(begun: Begun, domain: Option<DomainId>, tokens: &[LlamaToken]) -> Entry {
    let Begun { slot, cells, .. } = begun;
    Entry { job: None, domain, tokens: tokens.to_vec().into(), slot, cells }
}

/// Runs a job to its end beside nobody; answers what it did not have to compute.
fn run(cache: &mut Cache, domain: Option<DomainId>, tokens: &[LlamaToken]) -> u32 {
    let begun = cache.begin(&ask(domain, tokens), &[]).unwrap();
    let cached = begun.cached;
    cache.keep(entry(begun, domain, tokens), &[]);
    cached
}

/// Pauses a job that nobody else knows.
fn pause(cache: &mut Cache, job: u64, domain: Option<DomainId>, tokens: &[LlamaToken]) {
    let begun = cache.begin(&ask(domain, tokens), &[]).unwrap();
    cache.keep(Entry { job: Some(JobId(job)), ..entry(begun, domain, tokens) }, &[]);
}
