//! Those who adopt a request and do not read it.

use std::time::Duration;

use core_client::{DetachTicket, FinishReason, Generate, Params, Status};
use core_tests::{
    harness::Broker,
    rogue::{Door, Raw},
};
use core_wire::client::{Detached, Event, Request};
use nix::sys::signal::Signal;

use crate::talk::{broker_with, connect, greedy, talk, until};

/// Tokens of an answer that fits no socket: some 160 bytes each, and 212,992 in its buffer.
const TOKENS: u32 = 3_000;

/// A session that reads when it is asked to.
fn raw(broker: &Broker) -> Raw {
    Door::of(broker).expect("a door").enter().expect("a session")
}

/// A request whose tokens come with twenty others each.
fn wordy(tokens: u32) -> Generate {
    let request = greedy("long", 8, tokens);
    Generate { params: Params { logprobs: Some(20), ..request.params }, ..request }
}

/// Detaches the request `r`; its ticket, and how many of its tokens came first.
fn detach(raw: &mut Raw) -> (Detached, u32) {
    raw.ask("d", Request::Detach { target: "r".into() }).expect("sent");
    let mut tokens = 0;
    loop {
        match raw.hear().expect("an event").event {
            Event::Token { .. } => tokens += 1,
            Event::Detached(detached) => return (detached, tokens),
            Event::Queued { .. } => {}
            other => panic!("{other:?} instead of a ticket"),
        }
    }
}

/// Reads the request `r` to its end; that, and how many tokens came.
fn rest(raw: &mut Raw) -> (Event, u32) {
    let mut tokens = 0;
    loop {
        let frame = raw.hear().expect("an event");
        assert_eq!(frame.id.as_str(), "r");
        match frame.event {
            Event::Token { .. } => tokens += 1,
            end if end.is_terminal() => return (end, tokens),
            _ => {}
        }
    }
}

fn attach(broker: &Broker, ticket: DetachTicket, from: u32) -> Raw {
    let mut reader = raw(broker);
    reader.ask("r", Request::Attach { ticket, from }).expect("sent");
    reader
}

#[test]
fn who_adopts_and_takes_nothing_is_given_up() {
    // It still says something when the second is over, however fast the machine is.
    const LONG: u32 = 30_000;
    let config = "detach_ms = 1000\n[outbox]\nframes_max = 256\n[models.long]\nn_ctx = 32768\n";
    let broker = broker_with(config);
    talk(async {
        let mut one = raw(&broker);
        one.ask("r", Request::Generate(Box::new(wordy(LONG)))).expect("sent");
        let (detached, told) = detach(&mut one);
        let mut reader = attach(&broker, detached.ticket, told);
        let client = connect(&broker).await;
        until(&client, |status| status.requests.failed == 1).await;
        until(&client, |status| status.workers.iter().all(|worker| worker.active == 0)).await;
        let (end, tokens) = rest(&mut reader);
        assert!(
            matches!(&end, Event::Error(refusal) if refusal.code.name() == "SLOW_CLIENT"),
            "{end:?}"
        );
        assert!(told + tokens < LONG, "it was read to its end");
    });
}

#[test]
fn who_loses_what_it_reads_slowly_hears_that_it_is_over_there() {
    let broker = broker_with("[outbox]\nframes_max = 256\n");
    talk(async {
        let mut one = raw(&broker);
        one.ask("r", Request::Generate(Box::new(wordy(TOKENS)))).expect("sent");
        let (detached, told) = detach(&mut one);
        let client = connect(&broker).await;
        let over = |status: &Status| status.workers.iter().all(|worker| worker.active == 0);
        until(&client, |status| over(status) && status.queue.depth == 0).await;
        // It has ended, and who detached it has not read so far yet.
        let (end, tokens) = rest(&mut attach(&broker, detached.ticket, told));
        let whole = |event: &Event, reason: FinishReason| {
            matches!(event, Event::Done(done) if done.finish_reason == Some(reason)
                && done.usage.completion_tokens == TOKENS)
        };
        assert!(whole(&end, FinishReason::Length) && told + tokens == TOKENS, "{end:?}");
        let (end, tokens) = rest(&mut one);
        assert!(whole(&end, FinishReason::Cancelled), "{end:?}");
        assert!(told + tokens < TOKENS, "it was read to its end");
    });
}

#[test]
fn what_has_ended_is_told_to_its_end_before_the_broker_ends() {
    let mut broker = broker_with("[outbox]\nframes_max = 256\n");
    let (mut reader, told) = unread(&broker);
    broker.signal(Signal::SIGTERM);
    let (end, tokens) = rest(&mut reader);
    assert!(matches!(end, Event::Done(_)) && told + tokens == TOKENS, "{tokens} and {end:?}");
    assert_eq!(broker.wait().and_then(|status| status.code()), Some(0));
}

#[test]
fn who_has_not_read_all_when_the_drain_is_over_hears_so() {
    let mut broker = broker_with("drain_ms = 1000\n[outbox]\nframes_max = 256\n");
    let (mut reader, told) = unread(&broker);
    broker.signal(Signal::SIGTERM);
    // The end of the drain, and less than what a connection has to be read within afterwards.
    std::thread::sleep(Duration::from_millis(1_400));
    let (end, tokens) = rest(&mut reader);
    assert!(matches!(&end, Event::Error(why) if why.code.name() == "DRAINING"), "{end:?}");
    assert!(told + tokens < TOKENS, "it was read to its end");
    assert_eq!(broker.wait().and_then(|status| status.code()), Some(0));
}

/// A request that was detached and has ended, and whose session has read nothing since; how many
/// tokens it has read.
fn unread(broker: &Broker) -> (Raw, u32) {
    let mut one = raw(broker);
    one.ask("r", Request::Generate(Box::new(wordy(TOKENS)))).expect("sent");
    let (_, told) = detach(&mut one);
    talk(async {
        let client = connect(broker).await;
        let over = |status: &Status| status.workers.iter().all(|worker| worker.active == 0);
        until(&client, |status| over(status) && status.queue.depth == 0).await;
    });
    (one, told)
}
