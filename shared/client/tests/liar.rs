//! A broker that breaks the protocol or goes away: every open request hears of it exactly once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod fake;

use core_client::{
    Client, Done, Event, Events, FinishReason, ProtocolError, RequestError,
    wire::{
        ids::RequestId,
        limits::{SERVER_FRAME_BYTES_MAX, STEP_TEXT_BYTES_MAX},
    },
};
use fake::{Fake, Peer, done, ends_in, next, prompt, token_event};

/// Two requests in flight, the first of which has had a token.
struct Scene {
    client: Client,
    peer: Peer,
    first: Events,
    second: Events,
    first_id: RequestId,
}

impl Scene {
    async fn new() -> Self {
        let (client, mut peer) = Fake::pair().await;
        let mut first = client.generate(prompt("one")).await.unwrap();
        let second = client.generate(prompt("two")).await.unwrap();
        let first_id = peer.receive().await.id;
        peer.receive().await;
        peer.send(&first_id, token_event(1, "a")).await;
        assert_eq!(next(&mut first).await, Some(Ok(token_event(1, "a"))));
        Self { client, peer, first, second, first_id }
    }

    /// Both requests end in this error, later ones cannot start, and the client has hung up.
    async fn all_end_in(mut self, error: RequestError) {
        ends_in(self.first, error.clone()).await;
        ends_in(self.second, error.clone()).await;
        assert_eq!(self.client.models().await, Err(error));
        assert!(self.peer.try_receive().await.is_none(), "the client did not hang up");
    }
}

#[tokio::test]
async fn a_broker_that_goes_away_ends_every_stream_once() {
    let scene = Scene::new().await;
    let Scene { client, peer, first, second, .. } = scene;
    drop(peer);
    ends_in(first, RequestError::Lost).await;
    ends_in(second, RequestError::Lost).await;
    assert_eq!(client.models().await, Err(RequestError::Lost));
}

#[tokio::test]
async fn half_a_frame_is_a_lost_connection() {
    let mut scene = Scene::new().await;
    scene.peer.raw(&[200, 0, 0, 0, 1, 2, 3]).await;
    let Scene { peer, first, second, .. } = scene;
    drop(peer);
    ends_in(first, RequestError::Lost).await;
    ends_in(second, RequestError::Lost).await;
}

#[tokio::test]
async fn what_came_before_the_end_is_still_read() {
    let mut scene = Scene::new().await;
    scene.peer.send(&scene.first_id, token_event(2, "b")).await;
    drop(scene.peer);
    assert_eq!(next(&mut scene.first).await, Some(Ok(token_event(2, "b"))));
    ends_in(scene.first, RequestError::Lost).await;
}

#[tokio::test]
async fn a_frame_beyond_the_limit_is_refused_by_its_header() {
    for bytes in [0, SERVER_FRAME_BYTES_MAX + 1, u32::MAX as usize] {
        let mut scene = Scene::new().await;
        let header = u32::try_from(bytes).unwrap().to_le_bytes();
        scene.peer.raw(&header).await;
        let max = SERVER_FRAME_BYTES_MAX;
        let error = ProtocolError::Length { bytes, max };
        scene.all_end_in(error.into()).await;
    }
}

#[tokio::test]
async fn a_token_of_a_whole_book_is_refused() {
    let mut scene = Scene::new().await;
    let id = scene.first_id.clone();
    let book = "x".repeat(1 << 20);
    // The client may hang up before all of it is written.
    let _written = scene.peer.try_send(&id, token_event(2, &book)).await;
    let error = next(&mut scene.first).await.unwrap().expect_err("too long");
    let expected = matches!(error, RequestError::Protocol(ProtocolError::Length { .. }));
    assert!(expected, "{error:?}");
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused() {
    let mut scene = Scene::new().await;
    scene.peer.raw(&[3, 0, 0, 0, 0xff, 0xff, 0xff]).await;
    scene.all_end_in(ProtocolError::Shape.into()).await;
}

#[tokio::test]
async fn bytes_after_a_message_are_refused() {
    use core_client::wire::{client::ServerFrame, codec};
    let mut scene = Scene::new().await;
    let frame = ServerFrame { id: scene.first_id.clone(), event: token_event(2, "b") };
    let mut body = codec::encode(&frame).unwrap();
    body.push(0);
    let header = u32::try_from(body.len()).unwrap().to_le_bytes();
    scene.peer.raw(&[&header, body.as_slice()].concat()).await;
    scene.all_end_in(ProtocolError::Shape.into()).await;
}

#[tokio::test]
async fn an_unknown_request_id_ends_the_connection() {
    let mut scene = Scene::new().await;
    let stranger = RequestId::try_from("nobody".to_string()).unwrap();
    scene.peer.send(&stranger, token_event(1, "a")).await;
    scene.all_end_in(ProtocolError::UnknownRequest.into()).await;
}

#[tokio::test]
async fn a_second_terminal_never_reaches_the_stream() {
    let mut scene = Scene::new().await;
    let id = scene.first_id.clone();
    scene.peer.send(&id, done(FinishReason::Stop)).await;
    scene.peer.send(&id, done(FinishReason::Length)).await;
    assert_eq!(next(&mut scene.first).await, Some(Ok(done(FinishReason::Stop))));
    assert_eq!(next(&mut scene.first).await, None);
    ends_in(scene.second, ProtocolError::UnknownRequest.into()).await;
}

#[tokio::test]
async fn an_answer_to_another_question_is_refused() {
    for event in [Event::Tokens(vec![1]), Event::Models(Vec::new())] {
        let mut scene = Scene::new().await;
        let id = scene.first_id.clone();
        scene.peer.send(&id, event).await;
        scene.all_end_in(ProtocolError::WrongEvent.into()).await;
    }
}

#[tokio::test]
async fn a_cancelled_question_has_no_answer() {
    let (client, mut peer) = Fake::pair().await;
    let server = fake::script(async move {
        let id = peer.receive().await.id;
        peer.send(&id, Event::Done(Done::default())).await;
        peer
    });
    let answer = client.detokenize("tiny", vec![1]).await;
    assert_eq!(answer, Err(RequestError::Cancelled));
    server.await.unwrap();
}

#[test]
fn a_runtime_that_ends_leaves_nobody_waiting() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (events, _peer) = first.block_on(async {
        let (client, mut peer) = Fake::pair().await;
        let events = client.generate(prompt("x")).await.unwrap();
        peer.receive().await;
        // Registered with the runtime that ends, it must not be dropped with it.
        (events, peer.stream.into_std().unwrap())
    });
    drop(first);
    runtime().block_on(ends_in(events, RequestError::Lost));
}

#[tokio::test]
async fn the_longest_text_of_a_step_passes() {
    let (client, mut peer) = Fake::pair().await;
    let events = client.generate(prompt("x")).await.unwrap();
    let id = peer.receive().await.id;
    let text = "ß".repeat(STEP_TEXT_BYTES_MAX / 2);
    peer.send(&id, token_event(1, &text)).await;
    peer.send(&id, done(FinishReason::Stop)).await;
    assert_eq!(events.collect().await.unwrap().text, text);
}
