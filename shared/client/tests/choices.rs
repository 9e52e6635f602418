//! Several completions of one prompt: for programs, for people, and from a broker that lies.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod fake;

use core_client::{
    Choice, Event, FinishReason, Generate, Params, ProtocolError, RequestError, Usage,
    wire::client::Request,
};
use fake::{
    Fake, done, ends_in,
    process::{answered, finished, stderr, stdout},
    prompt, script,
};

fn token(choice: u32, id: u32, text: &str) -> Event {
    Event::Token { id, text: text.into(), logprob: None, choice, top: Vec::new() }
}

fn over(index: u32) -> Event {
    let usage = Usage { prompt_tokens: 3, cached_tokens: 0, completion_tokens: 2 };
    Event::Choice(Choice { index, finish_reason: FinishReason::Stop, usage })
}

/// Three completions whose tokens interleave, and of which the middle one is empty.
fn events() -> Vec<Event> {
    vec![
        token(2, 7, "c1"),
        token(0, 5, "a1"),
        over(1),
        token(2, 8, "c2\n"),
        over(2),
        token(0, 6, "a2"),
        over(0),
        finished(FinishReason::Stop),
    ]
}

fn three() -> Generate {
    Generate { params: Params { n: 3, ..Params::default() }, ..prompt("x") }
}

#[tokio::test]
async fn a_program_gets_each_completion_whole() {
    let (client, mut peer) = Fake::pair().await;
    let server = script(async move {
        let id = peer.receive().await.id;
        peer.send_at_once(&id, events()).await;
        let id = peer.receive().await.id;
        peer.send_at_once(&id, events()).await;
    });
    let (all, end) = client.generate(three()).await.unwrap().collect_all().await.unwrap();
    let texts: Vec<&str> = all.iter().map(|completion| completion.text.as_str()).collect();
    assert_eq!(texts, ["a1a2", "", "c1c2\n"]);
    assert_eq!(all[2].tokens, [7, 8]);
    assert_eq!(all[1].end.map(|end| end.finish_reason), Some(FinishReason::Stop));
    assert_eq!(end.finish_reason, Some(FinishReason::Stop));
    let first = client.generate(three()).await.unwrap().collect().await.unwrap();
    assert_eq!((first.text.as_str(), first.tokens.as_slice()), ("a1a2", &[5, 6][..]));
    server.await.unwrap();
}

#[tokio::test]
async fn a_completion_that_nobody_asked_for_is_a_broken_promise() {
    let crowded = Event::Token {
        id: 1,
        text: String::new(),
        logprob: Some(-1.0),
        choice: 0,
        top: vec![(1, -1.0); 21],
    };
    for lie in [token(3, 1, "x"), over(3), token(u32::MAX, 1, "x"), crowded] {
        let (client, mut peer) = Fake::pair().await;
        let events = client.generate(three()).await.unwrap();
        let id = peer.receive().await.id;
        peer.send(&id, lie).await;
        ends_in(events, RequestError::Protocol(ProtocolError::WrongEvent)).await;
    }
    let (client, mut peer) = Fake::pair().await;
    let embedding =
        script(async move { client.embed("tiny", core_client::Prompt::Tokens(vec![1])).await });
    let id = peer.receive().await.id;
    peer.send(&id, done(FinishReason::Cancelled)).await;
    assert_eq!(embedding.await.unwrap(), Err(RequestError::Cancelled));
}

#[tokio::test]
async fn lines_name_the_completion_when_there_are_several() {
    let (request, output) = answered(&["--json", "run", "tiny", "x", "--n", "3"], events()).await;
    let Request::Generate(generate) = request else { panic!("{request:?}") };
    assert_eq!(generate.params.n, 3);
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert_eq!(lines[0], r#"{"event":"token","id":7,"text":"c1","choice":2}"#);
    let expected = concat!(
        r#"{"event":"choice","index":1,"finish_reason":"stop","#,
        r#""usage":{"prompt_tokens":3,"cached_tokens":0,"completion_tokens":2}}"#
    );
    assert_eq!(lines[2], expected);
    assert!(lines[7].starts_with(r#"{"event":"done","#), "{lines:?}");
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn people_read_one_completion_after_the_other() {
    let (_, output) = answered(&["run", "tiny", "x", "--n", "3"], events()).await;
    let expected = "--- 1 of 3 ---\na1a2\n--- 2 of 3 ---\n\n--- 3 of 3 ---\nc1c2\n";
    assert_eq!(stdout(&output), expected);
    assert!(stderr(&output).starts_with("[stop: 2 tokens"), "{}", stderr(&output));
}

#[tokio::test]
async fn people_read_log_probabilities_beside_their_tokens() {
    let token = Event::Token {
        id: 5,
        text: "a\n".into(),
        logprob: Some(-0.25),
        choice: 0,
        top: vec![(5, -0.25), (9, -1.5)],
    };
    let arguments = ["run", "tiny", "x", "--logprobs", "2"];
    let (request, output) = answered(&arguments, vec![token, finished(FinishReason::Stop)]).await;
    let Request::Generate(generate) = request else { panic!("{request:?}") };
    assert_eq!(generate.params.logprobs, Some(2));
    let line = stdout(&output);
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words, ["-0.250", "5", "a\u{240a}", "5", "-0.250,", "9", "-1.500"]);
    assert_eq!(line.lines().count(), 1);
}
