//! What is published for all.

use std::time::Duration;

use core_client::Prompt;
use core_tests::harness::Broker;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::{sleep, timeout};

use crate::{
    contexts::{ANSWER, CONFIG, PROMPT, cached, code, unload},
    talk::{PATIENCE, broker_with, connect, greedy, talk},
};

/// Tokens of a prefix that takes a new worker longer than a withdrawal.
const PUBLIC: usize = 2000;
/// Withdrawals while a new worker computes it.
const ROUNDS: usize = 3;
/// How often it is looked whether a new worker has a prefix.
const LOOK_EACH: Duration = Duration::from_millis(20);

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
