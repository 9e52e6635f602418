//! The small commands of `corectl` against a broker of a few lines, and what keeps it from
//! starting.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod fake;

use std::process::Stdio;

use core_client::{
    AuditProcess, AuditRow, Done, Event, FinishReason, InstanceId, ModelInfo, Prompt,
    wire::{
        client::{ClientFrame, Request},
        handshake::{HELLO_BYTES, challenge},
    },
};
use fake::{
    Fake, SECRET,
    process::{answered, corectl, ended, finished, stderr, stdout},
    token_event,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn the_prompt_may_come_from_standard_input() {
    let fake = Fake::new();
    let mut command = corectl(&fake, &["--json", "tokenize", "tiny"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all("grüß\ndich\n".as_bytes()).await.unwrap();
    drop(stdin);
    let mut peer = fake.accept().await;
    let frame = peer.receive().await;
    let Request::Tokenize { text, .. } = &frame.request else { panic!("{frame:?}") };
    assert_eq!(text, "grüß\ndich");
    peer.send(&frame.id, Event::Tokens(vec![1, 2])).await;
    assert_eq!(stdout(&ended(child).await), "{\"tokens\":[1,2]}\n");
}

#[tokio::test]
async fn small_commands_print_their_lines() {
    let (request, output) =
        answered(&["--json", "detokenize", "tiny", "1,2", "3"], vec![Event::Text("a\nb".into())])
            .await;
    let Request::Detokenize { tokens, .. } = request else { panic!("{request:?}") };
    assert_eq!(tokens, [1, 2, 3]);
    assert_eq!(stdout(&output), "{\"text\":\"a\\nb\"}\n");
    let embedding = || vec![Event::Embedding(vec![0.25, -0.5])];
    let (request, output) = answered(&["--json", "embed", "tiny", "a"], embedding()).await;
    let Request::Embed { model, input: Prompt::Text(text) } = request else {
        panic!("{request:?}")
    };
    assert_eq!((model.as_str(), text.as_str()), ("tiny", "a"));
    assert_eq!(stdout(&output), "{\"embedding\":[0.25,-0.5]}\n");
    let (_, output) = answered(&["embed", "tiny", "a"], embedding()).await;
    assert_eq!(stdout(&output), "0.25,-0.5\n");
    let obeyed = vec![Event::Done(Done::default())];
    let (_, output) = answered(&["drain", "--json"], obeyed).await;
    assert_eq!(stdout(&output), "{\"event\":\"done\"}\n");
    let events = vec![Event::Progress { fraction: 0.5 }, Event::Loaded(ModelInfo::default())];
    let (_, output) = answered(&["--json", "load", "tiny"], events).await;
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert_eq!(lines[0], r#"{"event":"progress","fraction":0.5}"#);
    assert!(lines[1].starts_with(r#"{"event":"loaded","id":"","state":"unloaded","#), "{lines:?}");
}

#[tokio::test]
async fn an_audit_succeeds_only_when_nothing_required_is_missing() {
    let process = |achieved| AuditProcess {
        pid: 7,
        role: "worker".into(),
        model: Some("tiny".into()),
        rows: vec![AuditRow {
            name: "seccomp.serve".into(),
            required: true,
            achieved,
            ..AuditRow::default()
        }],
    };
    let held = vec![Event::Audit(vec![process(true), process(true)])];
    let (_, output) = answered(&["--json", "audit"], held).await;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output).lines().count(), 2);
    let missing = vec![Event::Audit(vec![process(true), process(false)])];
    let (_, output) = answered(&["audit"], missing).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("✗ missing"), "{}", stdout(&output));
    let (_, output) = answered(&["audit"], vec![Event::Audit(Vec::new())]).await;
    assert_eq!(output.status.code(), Some(1), "nothing was proven");
}

#[tokio::test]
async fn a_script_can_chat() {
    let fake = Fake::new();
    let mut command = corectl(&fake, &["chat", "tiny", "--temp", "0"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"hello\n\nagain\n").await.unwrap();
    drop(stdin);
    let mut peer = fake.accept().await;
    for messages in [1, 3] {
        let ClientFrame { id, request, .. } = peer.receive().await;
        let Request::Generate(generate) = request else { panic!("{request:?}") };
        let Prompt::Chat(chat) = generate.prompt else { panic!("no chat") };
        assert_eq!(chat.len(), messages);
        peer.send(&id, token_event(1, "hi")).await;
        peer.send(&id, finished(FinishReason::Stop)).await;
    }
    let mut text = String::new();
    child.stdout.as_mut().unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hi\nhi\n");
    assert_eq!(ended(child).await.status.code(), Some(0));
}

#[tokio::test]
async fn what_cannot_start_says_why_and_exits_with_its_code() {
    let fake = Fake::new();
    let cases: [(&[&str], i32, &str); 7] = [
        (&["run", "tiny", "x", "--temp", "hot"], 64, "hot"),
        (&["run", "tiny", "x", "--grammar", "/nonexistent/g"], 64, "/nonexistent/g"),
        (&["run", "tiny", "x", "--logit-bias", "4"], 64, "17=-2.5"),
        (&["top"], 64, "top is for a terminal"),
        (&["swap", "tiny"], 64, "<FILE>"),
        (&["--socket", "/nonexistent/s", "status"], 69, "core-broker serve"),
        (&["--token-file", "/nonexistent/t", "status"], 77, "/nonexistent/t"),
    ];
    for (arguments, code, words) in cases {
        let output = ended(corectl(&fake, arguments).spawn().unwrap()).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
}

#[tokio::test]
async fn what_is_not_given_or_not_secret_is_named() {
    let fake = Fake::new();
    let mut unset = corectl(&fake, &["status"]);
    let output = ended(unset.env_remove("CORE_SOCKET").spawn().unwrap()).await;
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("CORE_SOCKET"), "{}", stderr(&output));
    let mut loose = corectl(&fake, &["status"]);
    fake.token_file(0o640);
    let output = ended(loose.spawn().unwrap()).await;
    assert_eq!(output.status.code(), Some(77));
    assert!(stderr(&output).contains("0640"), "{}", stderr(&output));
}

#[tokio::test]
async fn a_broker_with_another_token_is_exit_code_77() {
    let fake = Fake::new();
    let mut command = corectl(&fake, &["status"]);
    let other = fake.socket().with_file_name("token");
    std::fs::write(&other, "another token of at least 32 bytes").unwrap();
    let child = command.spawn().unwrap();
    let (mut stream, _) = fake.listener.accept().await.unwrap();
    let mut hello = [0; HELLO_BYTES];
    stream.read_exact(&mut hello).await.unwrap();
    let uid = stream.peer_cred().unwrap().uid();
    let challenge = challenge(SECRET, &hello, &[3; 32], InstanceId([1; 16]), uid);
    stream.write_all(&challenge).await.unwrap();
    let output = ended(child).await;
    assert_eq!(output.status.code(), Some(77));
    assert!(stderr(&output).contains("does not hold this token"), "{}", stderr(&output));
}
