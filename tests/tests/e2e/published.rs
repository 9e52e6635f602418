//! What is published for all.

use std::time::Duration;

use core_client::{Client, Prompt, Status};
use core_tests::harness::Broker;
use core_wire::client::status::WorkerStatus;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::{sleep, timeout};

use crate::{
    contexts::{ANSWER, CONFIG, PROMPT, cached, code, unload},
    talk::{PATIENCE, broker_with, connect, greedy, talk, until},
};

/// Tokens of a prefix that takes a new worker longer than a withdrawal.
const PUBLIC: usize = 2000;
/// Withdrawals while a new worker computes it.
const ROUNDS: usize = 3;
/// Tokens of a prefix that takes a worker about a second.
const LOST: usize = 4_000;
/// Workers that are lost while they compute it.
const LOSSES: usize = 4;
/// How often it is looked whether a new worker has a prefix.
const LOOK_EACH: Duration = Duration::from_millis(20);

/// Publishes a long prefix, and has a new worker begin it.
async fn publish_and_reload(client: &Client) {
    let public = Prompt::Tokens((300..500).cycle().take(LOST).collect());
    client.publish("long", public).await.expect("published");
    unload(client, "long").await;
    client.load("long").await.expect("sent").finish().await.expect("loaded");
}

#[test]
fn a_prefix_that_is_lost_with_its_worker_is_computed_once_by_the_next() {
    let broker = broker_with(CONFIG);
    talk(async {
        let client = connect(&broker).await;
        publish_and_reload(&client).await;
        let mut killed = 0;
        for _ in 0..LOSSES {
            let next = |worker: &WorkerStatus| worker.pid != killed && worker.active > 0;
            until(&client, |status| status.workers.iter().any(next)).await;
            let status = client.status().await.expect("a status");
            let active: u32 = status.workers.iter().map(|worker| worker.active).sum();
            assert_eq!(active + status.queue.depth, 1, "one request for one prefix");
            killed = status.workers[0].pid;
            kill(Pid::from_raw(killed.cast_signed()), Signal::SIGKILL).expect("it computes");
        }
    });
}

#[test]
fn a_prefix_that_kills_workers_is_published_no_longer() {
    let broker = broker_with(CONFIG);
    talk(async {
        let client = connect(&broker).await;
        publish_and_reload(&client).await;
        let mut killed = Vec::new();
        // A few deaths convict a request; each one that comes after it would add to them.
        while killed.len() < 8 {
            let next = |worker: &WorkerStatus| !killed.contains(&worker.pid) && worker.active > 0;
            let over = |status: &Status| status.workers.is_empty() && status.queue.depth == 0;
            until(&client, |status| over(status) || status.workers.iter().any(next)).await;
            let status = client.status().await.expect("a status");
            let Some(worker) = status.workers.into_iter().find(next) else {
                break;
            };
            kill(Pid::from_raw(worker.pid.cast_signed()), Signal::SIGSEGV).expect("it computes");
            killed.push(worker.pid);
        }
        assert!((3..8).contains(&killed.len()), "{} workers died of it", killed.len());
        assert_eq!(cached(&connect(&broker).await, greedy("long", LOST + 10, 1)).await, 0);
        assert_eq!(client.withdraw("long").await.expect("heard").tokens, 0, "it is not there");
    });
}

#[test]
fn what_is_published_serves_all_and_every_later_worker_until_it_is_withdrawn() {
    let broker = broker_with(CONFIG);
    talk(async {
        let (first, second) = (connect(&broker).await, connect(&broker).await);
        let public = Prompt::Tokens((300..500).cycle().take(200).collect());
        let info = first.publish("long", public.clone()).await.expect("published");
        assert_eq!((info.tokens, info.bytes), (200, 0));
        let longer = || greedy("long", PROMPT, ANSWER);
        assert_eq!(cached(&second, longer()).await, 200);
        unload(&first, "long").await;
        // A new worker computes it beside its first request, which may not find it yet.
        let again = async {
            while cached(&connect(&broker).await, longer()).await != 200 {
                sleep(LOOK_EACH).await;
            }
        };
        timeout(PATIENCE, again).await.expect("a new worker has it as well");
        assert_eq!(first.publish("long", public).await.expect("again").tokens, 200);
        assert_eq!(second.withdraw("long").await.expect("withdrawn").tokens, 200, "it was one");
        assert_eq!(cached(&connect(&broker).await, longer()).await, 0);
        unload(&first, "long").await;
        assert_eq!(cached(&connect(&broker).await, longer()).await, 0);
        for number in 0..16 {
            let prompt = Prompt::Tokens(vec![300 + number; 4]);
            first.publish("long", prompt).await.expect("published");
        }
        let more = first.publish("long", Prompt::Tokens(vec![400; 4])).await;
        assert_eq!(code(more), "BAD_PARAMETER");
        assert_eq!(code(first.publish("long", Prompt::Tokens(vec![])).await), "BAD_PARAMETER");
        assert_eq!(code(first.publish("nosuch", Prompt::Text("a".into())).await), "UNKNOWN_MODEL");
    });
}

/// Sends the worker of `long` a signal.
fn signal(broker: &Broker, signal: Signal) {
    let worker = broker.worker("long").expect("a worker");
    kill(Pid::from_raw(worker.cast_signed()), signal).expect("it runs");
}

#[test]
fn what_is_withdrawn_while_it_is_computed_is_kept_nowhere() {
    let broker = broker_with(CONFIG);
    talk(async {
        let (first, second) = (connect(&broker).await, connect(&broker).await);
        let public = || Prompt::Tokens((300..500).cycle().take(PUBLIC).collect());
        let longer = || greedy("long", PUBLIC + 100, 1);
        // Both orders lie in the worker's ring when it goes on.
        signal(&broker, Signal::SIGSTOP);
        let withdrawing = async {
            sleep(LOOK_EACH * 10).await;
            let withdrawn = second.withdraw("long").await;
            signal(&broker, Signal::SIGCONT);
            withdrawn
        };
        let (published, withdrawn) = tokio::join!(first.publish("long", public()), withdrawing);
        assert_eq!(withdrawn.expect("withdrawn").tokens, 0, "nothing was published yet");
        assert!(published.expect_err("refused").to_string().contains("withdrawn"));
        assert_eq!(cached(&connect(&broker).await, longer()).await, 0);
        // And what the broker has a new worker compute by itself.
        first.publish("long", public()).await.expect("published");
        for _ in 0..ROUNDS {
            unload(&first, "long").await;
            first.load("long").await.expect("sent").finish().await.expect("loaded");
            second.withdraw("long").await.expect("withdrawn");
            assert_eq!(cached(&connect(&broker).await, longer()).await, 0, "it is still there");
            first.publish("long", public()).await.expect("published");
        }
    });
}
