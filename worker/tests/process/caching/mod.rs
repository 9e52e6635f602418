//! What a worker keeps, who finds it, and when it is gone.

mod pressure;
mod saving;
mod sharing;
mod whole;

use core_wire::{
    client::Prompt,
    ids::DomainId,
    worker::{JobKind, Payload, Refused, config::Serve},
};

use crate::player::{Answer, Errand, Worker, greedy, model};

const A: Option<DomainId> = Some(DomainId(1));
const B: Option<DomainId> = Some(DomainId(2));

/// A worker that keeps a good deal.
fn worker() -> Worker {
    worker_with(|plan| plan.idle_cells_max = 400)
}

fn worker_with(change: impl FnOnce(&mut Serve)) -> Worker {
    Worker::ready(&model(), change).0
}

/// A prompt of `count` tokens that differ from those of another `kind` from the first on.
fn prompt(kind: u32, count: u32) -> Vec<u32> {
    (0..count).map(|at| 10 + (kind * 17 + at * (kind + 3)) % 90).collect()
}

/// Continues tokens for a domain, and waits for the end.
fn ask(worker: &mut Worker, domain: Option<DomainId>, tokens: &[u32], count: u32) -> Answer {
    let job = worker.submit(Errand::generate(domain, tokens, greedy(count)));
    let answer = worker.answers(&[job]).remove(0);
    assert_eq!(answer.refused, None);
    assert_eq!(answer.prompt_tokens, Some(u32::try_from(tokens.len()).unwrap()));
    answer
}

/// What of a prompt needed no computing.
fn cached(worker: &mut Worker, domain: Option<DomainId>, tokens: &[u32]) -> u32 {
    ask(worker, domain, tokens, 1).cached_tokens
}

/// Has something done that is answered in bytes.
fn order(
    worker: &mut Worker,
    domain: Option<DomainId>,
    kind: JobKind,
    bytes: Vec<u8>,
) -> Result<Vec<u8>, Refused> {
    let payload = Payload { prompt: Prompt::Tokens(Vec::new()), emitted: Vec::new() };
    let empty = Errand::of(kind, &payload);
    let bytes = if bytes.is_empty() { empty.bytes.clone() } else { bytes };
    let job = worker.submit(Errand { domain, bytes, ..empty });
    worker.answer_of(job)
}

fn save(worker: &mut Worker, domain: Option<DomainId>) -> Result<Vec<u8>, Refused> {
    order(worker, domain, JobKind::Save, Vec::new())
}

fn restore(worker: &mut Worker, domain: Option<DomainId>, bytes: &[u8]) -> Result<u32, Refused> {
    let answer = order(worker, domain, JobKind::Restore, bytes.to_vec())?;
    Ok(u32::from_le_bytes(answer.try_into().unwrap()))
}

fn publish(worker: &mut Worker, tokens: &[u32]) -> Result<u32, Refused> {
    let payload = Payload { prompt: Prompt::Tokens(tokens.to_vec()), emitted: Vec::new() };
    let job = worker.submit(Errand {
        domain: Some(DomainId::PUBLIC),
        ..Errand::of(JobKind::Publish, &payload)
    });
    let answer = worker.answer_of(job)?;
    Ok(u32::from_le_bytes(answer.try_into().unwrap()))
}
