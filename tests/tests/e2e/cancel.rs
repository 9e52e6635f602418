//! Ends before the end: by request, by a connection that breaks, by a deadline, while a prompt is
//! computed and while tokens come. Each says so once, and the slot is free.

use std::time::{Duration, Instant};

use core_client::{Client, Event, Events, FinishReason, Generate};
use core_tests::harness::Broker;

use crate::talk::{Heard, PATIENCE, ask, broker_with, connect, greedy, hear, talk};

/// One slot, and room for a prompt that takes seconds.
const ONE_SLOT: &str = "[defaults]\nslots = 1\nn_ctx = 32768\n";
/// Tokens of that prompt.
const LONG: usize = 30_000;
/// How long it has been computed when the end comes.
const INTO_PREFILL: Duration = Duration::from_millis(300);
/// How soon the slot serves the next one; what `make bench` measures on a larger model is 250 ms,
/// and the machine may be busy.
const FREE_MAX: Duration = Duration::from_secs(1);

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
    async fn reached(self, client: &Client) -> Events {
        let mut events = client.generate(self.request()).await.expect("it is sent");
        match self {
            Self::Prefill => tokio::time::sleep(INTO_PREFILL).await,
            Self::Decode => loop {
                let event = tokio::time::timeout(PATIENCE, events.next()).await;
                match event.expect("a token in time") {
                    Some(Ok(Event::Token { .. })) => break,
                    Some(Ok(event)) if !event.is_terminal() => {}
                    other => panic!("{other:?}"),
                }
            },
        }
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

fn broker() -> Broker {
    broker_with(ONE_SLOT)
}

fn ended_early(heard: &Heard, phase: Phase) {
    match phase {
        Phase::Prefill => assert_eq!(heard.said.len(), 0, "the prompt was too short"),
        Phase::Decode => assert!(heard.said.len() < 20_000),
    }
}

#[test]
fn a_cancelled_request_says_so_and_frees_its_slot() {
    let broker = broker();
    talk(async {
        let client = connect(&broker).await;
        for phase in Phase::BOTH {
            let events = phase.reached(&client).await;
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
    let broker = broker();
    talk(async {
        let watcher = connect(&broker).await;
        for phase in Phase::BOTH {
            let client = connect(&broker).await;
            let events = phase.reached(&client).await;
            let since = Instant::now();
            drop((events, client));
            free(&watcher, since, phase).await;
        }
    });
}

#[test]
fn a_deadline_ends_a_request_by_name_and_frees_its_slot() {
    let broker = broker();
    talk(async {
        let client = connect(&broker).await;
        for phase in Phase::BOTH {
            let mut request = phase.request();
            request.params.deadline_ms = Some(400);
            let heard = ask(&client, request).await;
            assert_eq!(heard.refusal().0, "DEADLINE", "{phase:?}");
            assert_eq!(heard.said.is_empty(), phase == Phase::Prefill, "{phase:?}");
            let took = heard.ended - heard.sent;
            let limit = Duration::from_millis(400) + FREE_MAX;
            assert!(took >= Duration::from_millis(399) && took <= limit, "{phase:?}: {took:?}");
            free(&client, heard.ended, phase).await;
        }
    });
}

#[test]
fn a_request_that_waits_is_cancelled_without_having_run() {
    let broker = broker();
    talk(async {
        let client = connect(&broker).await;
        let running = Phase::Decode.reached(&client).await;
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
