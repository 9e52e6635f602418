//! Frames and messages: what is written is read back, and nothing else is read at all.

use core_wire::{
    client::{
        ChatMessage, ClientFrame, Done, Event, Generate, Params, Priority, Prompt, Request,
        ServerFrame, Special,
    },
    code::{Code, Refusal},
    codec::{self, CodecError},
    frame::{self, FrameError},
    ids::{RequestId, SessionId},
    limits::CLIENT_FRAME_BYTES_MAX,
};
use proptest::{collection::vec, prelude::*};

fn request_id(text: &str) -> RequestId {
    RequestId::try_from(text.to_owned()).expect("a legal id")
}

fn client_frame(request: Request) -> ClientFrame {
    ClientFrame { session: SessionId([7; 16]), id: request_id("r1"), request }
}

#[test]
fn a_frame_is_a_length_and_a_body() {
    let frame = client_frame(Request::Status);
    let mut out = vec![9];
    let bytes = frame::append(&frame, CLIENT_FRAME_BYTES_MAX, &mut out).expect("small");
    // One byte was there before; then length, 16 bytes of session, "r1" with its length, and the
    // tag of Status: the example in policy/docs/PROTOCOL.md.
    let body = [&[16; 0][..], &[7; 16], &[2, b'r', b'1'], &[7]].concat();
    assert_eq!(bytes, 4 + body.len());
    assert_eq!(out, [&[9][..], &[20, 0, 0, 0], &body].concat());
}

#[test]
fn a_length_is_checked_before_anything_else() {
    let max = 1024;
    for bytes in [0u32, 1025, u32::MAX] {
        let refused = frame::body_length(bytes.to_le_bytes(), max);
        assert!(matches!(refused, Err(FrameError::Length { .. })), "{bytes} was accepted");
    }
    assert_eq!(frame::body_length(1024u32.to_le_bytes(), max).expect("the bound is allowed"), 1024);
}

#[test]
fn too_large_a_message_leaves_the_buffer_as_it_was() {
    let frame = client_frame(Request::Tokenize {
        model: "m".into(),
        text: "x".repeat(100),
        special: Special::Prompt,
    });
    let mut out = vec![1, 2, 3];
    let refused = frame::append(&frame, 64, &mut out);
    assert!(matches!(refused, Err(FrameError::Length { bytes: 124, max: 64 })), "{refused:?}");
    assert_eq!(out, [1, 2, 3]);
}

#[test]
fn bytes_that_follow_a_message_are_refused() {
    let mut body = codec::encode(&client_frame(Request::Models)).expect("encodes");
    body.push(0);
    let refused = frame::read_body::<ClientFrame>(&body);
    let trailing = matches!(refused, Err(FrameError::Codec(CodecError::Trailing { extra: 1 })));
    assert!(trailing, "{refused:?}");
}

#[test]
fn a_huge_announced_list_costs_nothing() {
    // Tag of Detokenize, model "m", then a list that claims 2^64-1 elements.
    let mut body = [&[7u8; 16][..], &[1, b'r'], &[3, 1, b'm'], &[253]].concat();
    body.extend([0xff; 8]);
    assert!(frame::read_body::<ClientFrame>(&body).is_err());
}

#[test]
fn only_terminal_events_are_terminal() {
    let open = [
        Event::Queued { position: 1, wait_ms: Some(9) },
        Event::Token { id: 1, text: "a".into(), logprob: None, choice: 1, top: vec![(4, -0.5)] },
        Event::Progress { fraction: 0.5 },
    ];
    assert!(open.iter().all(|event| !event.is_terminal()));
    let refusal = Refusal::new(Code::Internal, "x");
    let ends = [Event::Done(Done::default()), Event::Error(refusal), Event::Tokens(vec![])];
    assert!(ends.iter().all(Event::is_terminal));
}

#[test]
fn debug_output_never_shows_a_prompt_or_a_token() {
    let generate = Request::Generate(Box::new(Generate {
        model: "m".into(),
        prompt: Prompt::Text("secret".into()),
        params: Params::default(),
    }));
    let token =
        Event::Token { id: 4242, text: "secret".into(), logprob: None, choice: 0, top: vec![] };
    let shown = format!("{:?} {token:?}", client_frame(generate));
    assert!(
        !shown.contains("secret") && !shown.contains("4242") && !shown.contains('7'),
        "{shown}"
    );
}

fn any_prompt() -> impl Strategy<Value = Prompt> {
    let message = (".{1,8}", ".{0,40}").prop_map(|(role, content)| ChatMessage { role, content });
    prop_oneof![
        ".{0,80}".prop_map(Prompt::Text),
        vec(any::<u32>(), 0..80).prop_map(Prompt::Tokens),
        vec(message, 0..5).prop_map(Prompt::Chat),
    ]
}

fn any_params() -> impl Strategy<Value = Params> {
    let numbers = (any::<u32>(), 0.0f32..9.0, any::<Option<u64>>(), any::<bool>());
    (numbers, vec(".{0,9}", 0..4), any::<Option<u32>>()).prop_map(|(n, stop, deadline_ms)| Params {
        max_tokens: n.0,
        temperature: n.1,
        seed: n.2,
        ignore_eos: n.3,
        stop,
        deadline_ms,
        priority: Priority::Batch,
        ..Params::default()
    })
}

proptest! {
    #[test]
    fn a_request_survives_the_way(
        model in ".{0,20}",
        prompt in any_prompt(),
        params in any_params(),
    ) {
        let frame = client_frame(Request::Generate(Box::new(Generate { model, prompt, params })));
        let body = codec::encode(&frame).expect("encodes");
        prop_assert!(codec::decode::<ClientFrame>(&body).expect("decodes") == frame);
    }

    /// Whatever arrives, reading it ends in a value or an error, and a value is written back as
    /// something that reads the same.
    #[test]
    fn garbage_is_refused_or_understood(body in vec(any::<u8>(), 0..300)) {
        if let Ok(frame) = frame::read_body::<ClientFrame>(&body) {
            let again = codec::encode(&frame).expect("encodes");
            prop_assert!(codec::decode::<ClientFrame>(&again).expect("decodes") == frame);
        }
        let _ = frame::read_body::<ServerFrame>(&body);
    }
}
