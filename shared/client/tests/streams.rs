//! Many requests on one connection: order, cancel, and readers that sleep.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod fake;

use core_client::{
    Code, Event, FinishReason, RequestError, Special,
    limits::{OPEN_REQUESTS_MAX, WAITING_EVENTS_MAX},
    wire::{client::Request, ids::RequestId, limits::CLIENT_FRAME_BYTES_MAX},
};
use fake::{Fake, PATIENCE, done, ends_in, next, prompt, script, token_event};
use tokio::time::timeout;

/// More tokens than wait for a reader and fit in all buffers of a socket together.
const MANY: u32 = 60_000;

#[tokio::test]
async fn interleaved_requests_stay_apart() {
    let (client, mut peer) = Fake::pair().await;
    let server = script(async move {
        let first = peer.receive().await.id;
        let second = peer.receive().await.id;
        assert_ne!(first, second);
        for n in 0..50 {
            peer.send(&first, token_event(n, "a")).await;
            peer.send(&second, token_event(n, "b")).await;
        }
        peer.send(&second, done(FinishReason::Stop)).await;
        peer.send(&first, done(FinishReason::Length)).await;
        peer
    });
    let first = client.generate(prompt("one")).await.unwrap();
    let second = client.generate(prompt("two")).await.unwrap();
    let (first, second) = tokio::join!(first.collect(), second.collect());
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.text, "a".repeat(50));
    assert_eq!(second.text, "b".repeat(50));
    assert_eq!(first.tokens, (0..50).collect::<Vec<_>>());
    assert_eq!(first.done.finish_reason, Some(FinishReason::Length));
    assert_eq!(second.done.finish_reason, Some(FinishReason::Stop));
    server.await.unwrap();
}

#[tokio::test]
async fn a_stream_ends_once() {
    let (client, mut peer) = Fake::pair().await;
    let server = script(async move {
        let id = peer.receive().await.id;
        peer.send(&id, Event::Queued { position: 2, wait_ms: None }).await;
        peer.send(&id, done(FinishReason::Stop)).await;
        peer
    });
    let mut events = client.generate(prompt("x")).await.unwrap();
    assert_eq!(next(&mut events).await, Some(Ok(Event::Queued { position: 2, wait_ms: None })));
    assert_eq!(next(&mut events).await, Some(Ok(done(FinishReason::Stop))));
    assert_eq!(next(&mut events).await, None);
    assert_eq!(next(&mut events).await, None);
    server.await.unwrap();
}

#[tokio::test]
async fn cancel_reaches_the_broker_once_and_after_its_request() {
    let (client, mut peer) = Fake::pair().await;
    let mut events = client.generate(prompt("x")).await.unwrap();
    events.cancel();
    events.canceller().cancel();
    let request = peer.receive().await;
    assert!(matches!(request.request, Request::Generate(_)));
    let (cancel, target) = peer.receive_cancel().await;
    assert_eq!(target, request.id.as_str());
    peer.send(&cancel, Event::Done(Default::default())).await;
    peer.send(&request.id, done(FinishReason::Cancelled)).await;
    assert_eq!(next(&mut events).await, Some(Ok(done(FinishReason::Cancelled))));
    assert_eq!(next(&mut events).await, None);
    events.cancel();
    // Had the second or the third cancel been sent, it would come before this.
    let asking = client.clone();
    let models = script(async move { asking.models().await });
    let request = peer.receive().await;
    assert!(matches!(request.request, Request::Models));
    peer.send(&request.id, Event::Models(Vec::new())).await;
    assert_eq!(models.await.unwrap(), Ok(Vec::new()));
}

#[tokio::test]
async fn dropping_the_events_cancels_and_what_still_comes_is_ignored() {
    let (client, mut peer) = Fake::pair().await;
    let events = client.generate(prompt("x")).await.unwrap();
    let id = peer.receive().await.id;
    peer.send(&id, token_event(1, "a")).await;
    drop(events);
    let (cancel, target) = peer.receive_cancel().await;
    assert_eq!(target, id.as_str());
    peer.send(&id, token_event(2, "b")).await;
    peer.send(&id, done(FinishReason::Cancelled)).await;
    peer.send(&cancel, Event::Done(Default::default())).await;
    let server = script(async move {
        let id = peer.receive().await.id;
        peer.send(&id, Event::Text("still here".into())).await;
        peer
    });
    assert_eq!(client.detokenize("tiny", vec![1]).await.unwrap(), "still here");
    server.await.unwrap();
}

#[tokio::test]
async fn a_refusal_ends_its_request_alone() {
    let (client, mut peer) = Fake::pair().await;
    let server = script(async move {
        let (one, two) = (peer.receive().await, peer.receive().await);
        let (good, bad) = match one.request {
            Request::Tokenize { .. } => (one.id, two.id),
            _ => (two.id, one.id),
        };
        let refusal = core_client::Refusal::new(Code::QueueFull, "64 requests wait").after(20);
        peer.send(&bad, Event::Error(refusal)).await;
        peer.send(&good, Event::Tokens(vec![5])).await;
        peer
    });
    let asking = client.clone();
    let good = script(async move { asking.tokenize("tiny", "x", Special::Plain).await });
    let bad = client.generate(prompt("x")).await.unwrap();
    let refusal = core_client::Refusal::new(Code::QueueFull, "64 requests wait").after(20);
    ends_in(bad, RequestError::Refused(refusal)).await;
    assert_eq!(good.await.unwrap(), Ok(vec![5]));
    server.await.unwrap();
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_it_is_sent() {
    let (client, mut peer) = Fake::pair().await;
    let book = "x".repeat(CLIENT_FRAME_BYTES_MAX);
    let error = client.generate(prompt(&book)).await.expect_err("too large");
    assert!(matches!(error, RequestError::TooLarge { .. }), "{error:?}");
    assert_eq!(error.code(), Code::BadFrame);
    let id = RequestId::try_from("mine".to_string()).unwrap();
    let first = client.generate_as(id.clone(), prompt("x")).await.unwrap();
    let error = client.generate_as(id.clone(), prompt("y")).await.expect_err("open already");
    assert_eq!(error.code(), Code::DuplicateRequest);
    assert_eq!(peer.receive().await.id, id);
    peer.send(&id, done(FinishReason::Stop)).await;
    assert!(first.finish().await.is_ok());
    // The id is free again.
    let again = client.generate_as(id.clone(), prompt("y")).await.unwrap();
    assert_eq!(peer.receive().await.id, id);
    peer.send(&id, done(FinishReason::Stop)).await;
    assert!(again.finish().await.is_ok());
}

#[tokio::test]
async fn open_requests_are_bounded() {
    let (client, mut peer) = Fake::pair().await;
    let server = script(async move {
        // All of them, so that the client never waits for the socket.
        while peer.try_receive().await.is_some() {}
    });
    let mut open = Vec::new();
    for _ in 0..OPEN_REQUESTS_MAX {
        open.push(client.load("tiny").await.unwrap());
    }
    let error = client.load("tiny").await.expect_err("one too many");
    assert_eq!(error, RequestError::TooMany { max: OPEN_REQUESTS_MAX });
    drop((client, open));
    server.await.unwrap();
}

#[tokio::test]
async fn a_sleeping_reader_does_not_stop_the_others() {
    let (client, mut peer) = Fake::pair().await;
    let mut sleeper = client.generate(prompt("asleep")).await.unwrap();
    let asleep = peer.receive().await.id;
    let asking = client.clone();
    let other = script(async move { asking.tokenize("tiny", "x", Special::Prompt).await });
    let awake = peer.receive().await.id;
    let server = script(async move {
        let room = u32::try_from(WAITING_EVENTS_MAX).unwrap();
        for n in 0..=room {
            peer.send(&asleep, token_event(n, "z")).await;
        }
        peer.send(&awake, Event::Tokens(vec![1, 2])).await;
        let (_, target) = peer.receive_cancel().await;
        assert_eq!(target, asleep.as_str());
        peer
    });
    let tokens = timeout(PATIENCE, other).await.expect("not held up for ever");
    assert_eq!(tokens.unwrap(), Ok(vec![1, 2]));
    server.await.unwrap();
    for n in 0..WAITING_EVENTS_MAX {
        let event = next(&mut sleeper).await.unwrap();
        assert_eq!(event, Ok(token_event(u32::try_from(n).unwrap(), "z")));
    }
    let error = next(&mut sleeper).await.unwrap().expect_err("it slept");
    assert_eq!(error.code(), Code::SlowClient);
    assert_eq!(next(&mut sleeper).await, None);
}

#[tokio::test]
async fn a_sleeping_reader_alone_holds_back_the_broker_and_loses_nothing() {
    let (client, mut peer) = Fake::pair().await;
    let events = client.generate(prompt("asleep")).await.unwrap();
    let id = peer.receive().await.id;
    let server = script(async move {
        for n in 0..MANY {
            peer.send(&id, token_event(n, "z")).await;
        }
        peer.send(&id, done(FinishReason::Length)).await;
        peer
    });
    // Longer than others would be held up.
    tokio::time::sleep(2 * core_client::limits::STALL_MAX).await;
    assert!(!server.is_finished(), "the broker was not held back");
    let answer = timeout(PATIENCE, events.collect()).await.expect("in time").unwrap();
    assert!(answer.tokens.into_iter().eq(0..MANY));
    server.await.unwrap();
}
