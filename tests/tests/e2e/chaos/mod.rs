//! Workers that die, hang and come back under load: a crash loses nothing.
//!
//! Each has a short form for `make test` and a full one for `make chaos`, which sets `CORE_CHAOS`.
//! What is asserted is the same in both.

mod grammar;
mod kills;
mod memory;
mod parting;
mod poison;
mod saves;
mod stalls;
mod vanish;
mod victim;

use core_client::{Client, Generate, Params};
use core_wire::client::status::{WorkerState, WorkerStatus};

use crate::{
    compare::NEIGHBOURS,
    talk::{Given, greedy},
};

/// How often something is done: `short` times in a usual run, `full` times in `make chaos`, and no
/// more than the number that `CORE_CHAOS` is, where it is one.
fn times(short: usize, full: usize) -> usize {
    match std::env::var("CORE_CHAOS") {
        Ok(asked) => asked.parse().map_or(full, |most: usize| full.min(most)),
        Err(_) => short,
    }
}

/// The worker of a model, if one serves.
async fn serving(client: &Client, model: &str) -> Option<WorkerStatus> {
    let status = client.status().await.expect("a state");
    let serves = |worker: &WorkerStatus| worker.model == model && !worker.standby;
    let mut workers = status.workers.into_iter().filter(serves);
    workers.find(|worker| worker.state == WorkerState::Ready)
}

/// A greedy request that tells its likeliest tokens, for comparing runs.
fn compared(model: &str, prompt: impl Into<Given>, max_tokens: u32) -> Generate {
    let request = greedy(model, prompt, max_tokens);
    Generate { params: Params { logprobs: Some(NEIGHBOURS), ..request.params }, ..request }
}

/// Whether a worker of this process id has not become ready yet.
async fn loads_still(client: &Client, pid: u32) -> bool {
    let status = client.status().await.expect("a state");
    let mut workers = status.workers.iter();
    workers.any(|worker| worker.pid == pid && worker.state == WorkerState::Loading)
}
