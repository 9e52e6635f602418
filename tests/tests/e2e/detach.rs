//! Requests that outlive their connection.

mod command;
mod readers;

use std::time::Instant;

use core_client::{
    Client, DetachTicket, Detached, Done, Event, Events, FinishReason, Generate, Params,
    RequestError, Special,
};
use core_tests::harness::Broker;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    compare::{BORDER, NEIGHBOURS, RECOVERED, same_within},
    talk::{Heard, PATIENCE, ask, broker_with, connect, endless, greedy, story_with, talk, until},
};

/// Tokens of a request that is detached in its middle.
const TOKENS: u32 = 400;
const PROMPT: &str = "Once upon a time";
/// Tokens of a request that asks for as many as may be.
const LARGE: u32 = 1 << 20;
/// Answers that fill a context of 8,192 tokens, for each of which 384 bytes are set aside, in the
/// 96 MiB that a session may hold while it is alone.
const SHARE_ANSWERS: usize = 32;

/// Reads `tokens` of a request, detaches it, reads some more, and drops the connection.
async fn left(broker: &Broker, tokens: usize) -> (Heard, Detached) {
    let client = connect(broker).await;
    let request = client.generate(compared()).await;
    let mut events = request.expect("it can be sent");
    let mut heard = Heard::new(Instant::now());
    heard.until(&mut events, |heard| heard.said.len() >= tokens).await;
    let detached = client.detach(&mut events).await.expect("a ticket");
    // What was on its way before the ticket is not kept: it has to be read here.
    let enough = usize::try_from(detached.first).expect("few").max(tokens + 20);
    heard.until(&mut events, |heard| heard.said.len() >= enough).await;
    (heard, detached)
}

/// A request that tells its likeliest tokens, for comparing runs.
fn compared() -> Generate {
    let request = greedy("story", PROMPT, TOKENS);
    Generate { params: Params { logprobs: Some(NEIGHBOURS), ..request.params }, ..request }
}

async fn adopt(client: &Client, detached: Detached, heard: &Heard) -> Events {
    let from = u32::try_from(heard.said.len()).expect("few");
    client.attach(detached.ticket, from).await.expect("it can be sent")
}

/// A request for as many tokens as may be.
async fn large(client: &Client) -> Events {
    client.generate(greedy("long", 8, LARGE)).await.expect("it can be sent")
}

/// How an attach that is refused ends.
async fn refused(client: &Client, ticket: DetachTicket, from: u32) -> (&'static str, String) {
    let events = client.attach(ticket, from).await.expect("it can be sent");
    match events.finish().await {
        Err(RequestError::Refused(refusal)) => (refusal.code.name(), refusal.message),
        other => panic!("no refusal but {other:?}"),
    }
}

fn is_whole(heard: &Heard, expected: &Heard) {
    is_whole_within(BORDER, heard, expected);
}

fn is_whole_within(border: f32, heard: &Heard, expected: &Heard) {
    assert_eq!(heard.said.len(), TOKENS as usize, "tokens are missing or doubled");
    assert_eq!(heard.done().usage.completion_tokens, TOKENS);
    assert_eq!(heard.done().finish_reason, Some(FinishReason::Length));
    same_within(border, &expected.said, &heard.said);
}

/// What the same request says to somebody who stays.
async fn expected(broker: &Broker) -> Heard {
    ask(&connect(broker).await, compared()).await
}

#[test]
fn another_connection_reads_on_where_the_first_stopped() {
    let broker = story_with("");
    talk(async {
        let expected = expected(&broker).await;
        let (heard, detached) = left(&broker, 50).await;
        let client = connect(&broker).await;
        until(&client, |status| status.sessions == 1).await;
        let events = adopt(&client, detached, &heard).await;
        let heard = heard.rest(events).await;
        is_whole(&heard, &expected);
        let (code, sentence) = refused(&client, detached.ticket, 0).await;
        assert_eq!(code, "BAD_PARAMETER", "a ticket is good once");
        let never = refused(&client, DetachTicket([7; 16]), 0).await;
        assert_eq!(never, (code, sentence), "who tries tickets learns nothing");
    });
}

/// Adopts a request once it has ended; it is told whole.
fn is_told_after_its_end(broker: &Broker) {
    talk(async {
        let expected = expected(broker).await;
        let (heard, detached) = left(broker, 5).await;
        let client = connect(broker).await;
        until(&client, |status| status.workers.iter().all(|worker| worker.active == 0)).await;
        let events = adopt(&client, detached, &heard).await;
        is_whole(&heard.rest(events).await, &expected);
    });
}

#[test]
fn what_ended_meanwhile_is_told_as_well() {
    is_told_after_its_end(&story_with(""));
}

#[test]
fn a_worker_that_is_killed_meanwhile_costs_no_token() {
    let broker = story_with("");
    talk(async {
        let expected = expected(&broker).await;
        let worker = broker.worker("story").expect("it serves");
        let (heard, detached) = left(&broker, 5).await;
        kill(Pid::from_raw(worker.cast_signed()), Signal::SIGKILL).expect("it serves");
        let client = connect(&broker).await;
        let events = adopt(&client, detached, &heard).await;
        is_whole_within(RECOVERED, &heard.rest(events).await, &expected);
        assert_ne!(broker.worker("story"), Some(worker));
    });
}

#[test]
fn a_backlog_that_is_larger_than_an_outbox_is_told_in_portions() {
    is_told_after_its_end(&story_with("[outbox]\nframes_max = 256\n"));
}

#[test]
fn nobody_comes_and_nothing_is_left() {
    let broker = broker_with("detach_ms = 300\n");
    talk(async {
        let client = connect(&broker).await;
        let mut events = endless(&client).await;
        let detached = client.detach(&mut events).await.expect("a ticket");
        assert_eq!(detached.keep_ms, 300);
        drop((events, client));
        let client = connect(&broker).await;
        until(&client, |status| status.sessions == 1).await;
        let status = client.status().await.expect("a state");
        assert_eq!(status.workers[0].active, 1, "it runs on");
        until(&client, |status| status.requests.cancelled == 1).await;
        until(&client, |status| status.workers[0].active == 0).await;
        assert_eq!(refused(&client, detached.ticket, 1).await.0, "BAD_PARAMETER");
    });
}

#[test]
fn what_is_kept_is_counted_for_its_session_and_given_back() {
    let broker = broker_with("detach_ms = 60000\n");
    talk(async {
        let (client, other) = (connect(&broker).await, connect(&broker).await);
        let (mut kept, mut tickets) = (Vec::new(), Vec::new());
        let refusal = loop {
            let mut events = large(&client).await;
            match client.detach(&mut events).await {
                Ok(detached) => tickets.push(detached.ticket),
                Err(refusal) => break refusal.to_string(),
            }
            kept.push(events);
        };
        // Each is counted with what its context has room for, however much it asks for.
        assert!((SHARE_ANSWERS..=SHARE_ANSWERS + 1).contains(&kept.len()), "{}", kept.len());
        assert!(refusal.contains("of 268435456"), "{refusal}");
        // Neither others' tickets nor anybody's prompts have to do with that.
        let mut theirs = large(&other).await;
        other.detach(&mut theirs).await.expect("their own share");
        let text = "a".repeat(500_000);
        other.tokenize("long", &text, Special::Plain).await.expect("a large prompt");
        // Half of what the other one took is missing, so one answer is not enough for the next.
        kept.remove(1).cancel();
        let one = kept.remove(0);
        client.cancel(one.id()).await.expect("heard");
        let end = one.finish().await.expect("cancelled");
        let Event::Done(Done { usage, .. }) = end else { panic!("{end:?}") };
        let mut again = large(&client).await;
        client.detach(&mut again).await.expect("there is memory again");
        // Its end is kept for who has the ticket.
        let adopted = client.attach(tickets[0], usage.completion_tokens).await.expect("sent");
        adopted.finish().await.expect("the same end");
    });
}

#[test]
fn who_adopts_it_takes_it_from_a_connection_that_lives() {
    let broker = broker_with("");
    talk(async {
        let (one, other) = (connect(&broker).await, connect(&broker).await);
        let mut events = endless(&one).await;
        let detached = one.detach(&mut events).await.expect("a ticket");
        let again = one.detach(&mut events).await.expect("another ticket");
        assert_eq!(refused(&other, detached.ticket, 1).await.0, "BAD_PARAMETER", "it is void");
        let (_, sentence) = refused(&other, again.ticket, 0).await;
        let first = format!("are kept from index {} on", again.first);
        assert!(again.first > 0 && sentence.contains(&first), "{sentence}");
        let mut adopted = other.attach(again.ticket, 10_000).await.expect("sent");
        assert!(adopted.next().await.expect("an end").is_err(), "nobody has read so far");
        let mut adopted = other.attach(again.ticket, again.first).await.expect("sent");
        let token = tokio::time::timeout(PATIENCE, adopted.next()).await.expect("in time");
        assert!(matches!(token, Some(Ok(Event::Token { .. }))), "{token:?}");
        let end = events.finish().await.expect("its old name ends well");
        let cancelled = |event: &Event| {
            matches!(event, Event::Done(done)
            if done.finish_reason == Some(FinishReason::Cancelled))
        };
        assert!(cancelled(&end), "{end:?}");
        other.cancel(adopted.id()).await.expect("heard");
        assert!(cancelled(&adopted.finish().await.expect("an end")));
    });
}

#[test]
fn what_cannot_be_detached_is_refused() {
    let broker = story_with("");
    talk(async {
        let client = connect(&broker).await;
        let mut request = greedy("story", PROMPT, TOKENS);
        request.params.n = 2;
        let mut events = client.generate(request).await.expect("sent");
        let refusal = client.detach(&mut events).await.expect_err("two completions");
        assert!(refusal.to_string().contains("several completions"), "{refusal}");
        events.cancel();
        let mut events = client.generate(greedy("story", PROMPT, 1)).await.expect("sent");
        while events.next().await.is_some() {}
        let refusal = client.detach(&mut events).await.expect_err("it is over");
        assert!(refusal.to_string().contains("no request of this name"), "{refusal}");
    });
}
