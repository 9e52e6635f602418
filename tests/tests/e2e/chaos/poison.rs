//! A request that kills every worker that it meets, and those that happen to be there.

use std::time::{Duration, Instant};

use core_client::Client;
use core_tests::harness::Broker;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{task::LocalSet, time::sleep};

use super::{compared, serving, victim::Victim};
use crate::talk::{broker_with, connect, hear, talk, until};

/// Tokens of the prompt that kills: its prefill takes seconds, so that each death comes before its
/// first token.
const POISON: usize = 12_000;
/// Poisons of one sender: with the deaths that they are there for together, more than a model may
/// crash in a row.
const POISONS: usize = 5;
/// Tokens of the prompts of those, which fit the context together.
const SMALL_POISON: usize = 5_000;
/// Tokens of the others.
const TOKENS: u32 = 3_000;

/// The engine has no fault that could be asked for, so the test plays it: whenever the poison is in
/// work, the worker gets a SIGSEGV. The broker cannot tell that from a crash of the engine.
#[test]
fn only_the_sender_of_what_kills_workers_sees_an_error() {
    talk(LocalSet::new().run_until(poisoned()));
}

async fn poisoned() {
    let broker = broker_with("[models.long]\nslots = 4\nn_ctx = 32768\n");
    let (client, other) = (connect(&broker).await, connect(&broker).await);
    let mut victims = Vec::new();
    for prompt in ["Once upon", "Mira gave", "Tom had"] {
        victims.push(Victim::start(&client, prompt, TOKENS).await);
    }
    // It comes after them, so that it stands behind them whenever all wait again.
    for victim in &victims {
        victim.advances().await;
    }
    let poison = other.generate(compared("long", POISON, 8)).await.expect("sent");
    for _ in 0..2 {
        for victim in &victims {
            victim.advances().await;
        }
        crash(&client, 4).await;
    }
    // Suspected by now, it has the next worker alone.
    crash(&client, 1).await;
    let poison = hear(poison, Instant::now()).await;
    assert_eq!(poison.refusal().0, "QUARANTINED", "{:?}", poison.refusal());
    assert!(poison.refusal().1.contains("SIGSEGV"), "{:?}", poison.refusal());
    for victim in victims {
        let heard = victim.heard.await.expect("no reader panics");
        heard.done();
        assert_eq!(heard.said.len(), TOKENS as usize);
    }
    let status = client.status().await.expect("a state");
    assert_eq!((status.deaths.segfault, status.requests.failed), (3, 1), "{status:?}");
}

/// Several that kill, from one sender: each is found by itself, and however many there are, whoever
/// was there is served all the while and the model does not count as broken.
#[test]
fn several_that_kill_are_each_found_and_the_model_does_not_fail_for_others() {
    talk(LocalSet::new().run_until(much_poison()));
}

async fn much_poison() {
    let broker = broker_with("[models.long]\nslots = 6\nn_ctx = 32768\n");
    let (client, other) = (connect(&broker).await, connect(&broker).await);
    let victim = Victim::start(&client, "Once upon", TOKENS).await;
    victim.advances().await;
    let mut poisons = Vec::new();
    for _ in 0..POISONS {
        poisons.push(other.generate(compared("long", SMALL_POISON, 8)).await.expect("sent"));
    }
    let all = u32::try_from(POISONS).expect("few") + 1;
    for _ in 0..2 {
        victim.advances().await;
        crash(&client, all).await;
    }
    for _ in 0..POISONS {
        crash(&client, 1).await;
    }
    for poison in poisons {
        let poison = hear(poison, Instant::now()).await;
        assert_eq!(poison.refusal().0, "QUARANTINED", "{:?}", poison.refusal());
    }
    let heard = victim.heard.await.expect("no reader panics");
    heard.done();
    assert_eq!(heard.said.len(), TOKENS as usize);
    let status = client.status().await.expect("a state");
    assert_eq!(status.requests.failed, POISONS as u64, "{status:?}");
}

/// Waits until so many requests are in work, and crashes their worker.
async fn crash(client: &Client, active: u32) {
    until(client, |status| {
        status.workers.iter().any(|worker| worker.model == "long" && worker.active == active)
    })
    .await;
    let worker = serving(client, "long").await.expect("it serves");
    kill(Pid::from_raw(worker.pid.cast_signed()), Signal::SIGSEGV).expect("it runs");
    until(client, |status| status.workers.iter().all(|other| other.pid != worker.pid)).await;
}

/// A model whose workers crash before they say anything is given a rest, and comes back.
#[test]
fn a_model_that_crashes_again_and_again_fails_with_the_reason_and_recovers() {
    let broker = broker_with("[models.long]\nn_ctx = 32768\n");
    talk(async {
        let client = connect(&broker).await;
        let mut failed = None;
        for _ in 0..12 {
            let request = compared("long", POISON, 2);
            let events = client.generate(request).await.expect("sent");
            let heard = tokio::select! {
                heard = hear(events, Instant::now()) => heard,
                () = abort_workers(&client) => unreachable!("it kills for ever"),
            };
            let (code, message) = heard.refusal();
            if code == "WORKER_LOST" {
                failed = Some(message);
                break;
            }
            assert_eq!(code, "QUARANTINED", "{message}");
        }
        let reason = failed.expect("the model fails after a few requests");
        assert!(reason.contains("SIGABRT"), "{reason}");
        let told = |broker: &Broker| broker.corectl(&["models"]).stdout;
        assert!(told(&broker).contains("SIGABRT"), "{}", told(&broker));
        sleep(Duration::from_secs(2)).await;
        let heard = crate::talk::ask(&client, compared("long", "Once", 4)).await;
        heard.done();
    });
}

/// Aborts each worker that is given something, for ever.
async fn abort_workers(client: &Client) {
    loop {
        let worker = serving(client, "long").await;
        if let Some(worker) = worker.filter(|worker| worker.active > 0) {
            // It may be gone by now.
            let _ = kill(Pid::from_raw(worker.pid.cast_signed()), Signal::SIGABRT);
        }
        sleep(Duration::from_millis(5)).await;
    }
}
