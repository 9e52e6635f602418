//! Ends before the end: by request, by a connection that breaks, by a deadline, while a prompt is
//! computed and while tokens come. Each says so once, and the slot is free.

use std::time::{Duration, Instant};

use core_client::{Client, Events, FinishReason, Generate};
use core_tests::harness::{Broker, processes};

use crate::talk::{Heard, PATIENCE, ask, broker_with, connect, endless, greedy, hear, talk};

/// One slot, and room for a prompt that takes seconds.
const ONE_SLOT: &str = "[defaults]\nslots = 1\nn_ctx = 32768\n";
/// Tokens of that prompt.
const LONG: usize = 30_000;
/// What the worker has computed of it when the end comes, as CPU time: a few hundredths of what
/// the whole costs.
const INTO_PREFILL: Duration = Duration::from_millis(300);
/// A deadline that comes in the middle: a first token is there a hundred times sooner, and neither
/// the prompt nor the answer is done before three times that.
const DEADLINE: Duration = Duration::from_millis(1_200);
/// How soon the slot serves the next one. Measured are some 50 ms, and `make bench` measures a
/// larger model; a machine that is busy with something else gets time, and who waits for the whole
/// prompt waits for several times as long.
const FREE_MAX: Duration = Duration::from_secs(2);
/// How often it is looked whether the prompt is being computed.
const LOOK_EACH: Duration = Duration::from_millis(5);

/// What a request is doing when its end comes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Prefill,
    Decode,
}

impl Phase {
    const BOTH: [Self; 2] = [Self::Prefill, Self::Decode];

    fn request(self) -> Generate {
        match self {
            Self::Prefill => greedy("long", LONG, 16),
            Self::Decode => greedy("long", 8, 20_000),
        }
    }

    /// Starts it, and waits until it is there.
    async fn reached(self, client: &Client, worker: u32) -> Events {
        if self == Self::Decode {
            return endless(client).await;
        }
        let before = processes::cpu_time(worker).expect("it runs");
        let events = client.generate(self.request()).await.expect("it is sent");
        let computed = async {
            while processes::cpu_time(worker).expect("it runs") < before + INTO_PREFILL {
                tokio::time::sleep(LOOK_EACH).await;
            }
        };
        tokio::time::timeout(PATIENCE, computed).await.expect("the prompt is computed");
        events
    }
}

/// Asserts that the slot serves somebody else at once.
async fn free(client: &Client, since: Instant, phase: Phase) {
    let next = ask(client, greedy("long", 8, 1)).await;
    next.done();
    let took = next.ended - since;
    println!("{phase:?}: free after {took:?}");
    assert!(took <= FREE_MAX, "{phase:?}: the slot was free after {took:?}");
}

/// A broker, and the process that computes.
fn broker() -> (Broker, u32) {
    let broker = broker_with(ONE_SLOT);
    let worker = broker.worker("long").expect("a worker");
    (broker, worker)
}

fn ended_early(heard: &Heard, phase: Phase) {
    match phase {
        Phase::Prefill => assert_eq!(heard.said.len(), 0, "the prompt was too short"),
        Phase::Decode => assert!(heard.said.len() < 20_000),
    }
}

#[test]
fn a_cancelled_request_says_so_and_frees_its_slot() {
    let (broker, worker) = broker();
    talk(async {
        let client = connect(&broker).await;
        for phase in Phase::BOTH {
            let events = phase.reached(&client, worker).await;
            let since = Instant::now();
            events.cancel();
            let heard = hear(events, since).await;
            let done = heard.done();
            assert_eq!(done.finish_reason, Some(FinishReason::Cancelled), "{phase:?}");
            ended_early(&heard, phase);
            free(&client, since, phase).await;
        }
    });
}

#[test]
fn a_connection_that_breaks_frees_its_slots() {
    let (broker, worker) = broker();
    talk(async {
        let watcher = connect(&broker).await;
        for phase in Phase::BOTH {
            let client = connect(&broker).await;
            let events = phase.reached(&client, worker).await;
            let since = Instant::now();
            drop((events, client));
            free(&watcher, since, phase).await;
        }
    });
}

#[test]
fn a_deadline_ends_a_request_by_name_and_frees_its_slot() {
    let (broker, _) = broker();
    talk(async {
        let client = connect(&broker).await;
        for phase in Phase::BOTH {
            let mut request = phase.request();
            request.params.deadline_ms = Some(DEADLINE.as_millis().try_into().expect("a second"));
            let heard = ask(&client, request).await;
            assert_eq!(heard.refusal().0, "DEADLINE", "{phase:?}");
            assert_eq!(heard.said.is_empty(), phase == Phase::Prefill, "{phase:?}");
            let took = heard.ended - heard.sent;
            // The broker counts from when the request reached it, in whole milliseconds.
            let soonest = DEADLINE - Duration::from_millis(1);
            assert!(took >= soonest && took <= DEADLINE + FREE_MAX, "{phase:?}: {took:?}");
            free(&client, heard.ended, phase).await;
        }
    });
}

#[test]
fn a_request_that_waits_is_cancelled_without_having_run() {
    let (broker, worker) = broker();
    talk(async {
        let client = connect(&broker).await;
        let running = Phase::Decode.reached(&client, worker).await;
        let waiting = client.generate(greedy("long", 8, 4)).await.expect("it is sent");
        let mut late = greedy("long", 8, 4);
        late.params.deadline_ms = Some(100);
        let late = ask(&client, late).await;
        assert_eq!((late.refusal().0, late.said.len()), ("DEADLINE", 0));
        waiting.cancel();
        let heard = hear(waiting, Instant::now()).await;
        assert_eq!(heard.done().finish_reason, Some(FinishReason::Cancelled));
        assert_eq!(heard.said.len(), 0);
        running.cancel();
        hear(running, Instant::now()).await.done();
    });
}
