//! Ids, parameters and codes: their ranges, and the sentences that name them.

use core_wire::{
    client::{ChatMessage, Params, Prompt},
    code::Code,
    codec,
    ids::{BadId, ModelId, RequestId},
    limits::{MODEL_ID_BYTES_MAX, REQUEST_ID_BYTES_MAX},
};

#[test]
fn ids_have_bounds() {
    let long = "x".repeat(REQUEST_ID_BYTES_MAX + 1);
    for text in ["", long.as_str()] {
        assert!(RequestId::try_from(text.to_owned()).is_err());
        // The same bound holds when the id comes out of a frame.
        let encoded = codec::encode(&text.to_owned()).expect("encodes");
        assert!(codec::decode::<RequestId>(&encoded).is_err());
    }
    assert!(RequestId::try_from("x".repeat(REQUEST_ID_BYTES_MAX)).is_ok());
}

#[test]
fn a_model_id_is_no_path() {
    for good in ["story", "Llama 3.1 (8B) Q8_0", "a..b"] {
        assert!(ModelId::try_from(good.to_owned()).is_ok(), "{good}");
    }
    let long = "x".repeat(MODEL_ID_BYTES_MAX + 1);
    let wrong =
        ["", ".hidden", "..", "../x", "/etc/passwd", "a/b", "a\\b", "nul\0", "\u{202e}x", &long];
    for bad in wrong {
        assert!(ModelId::try_from(bad.to_owned()).is_err(), "{bad:?} was accepted");
    }
    let found = ModelId::try_from("a/b".to_owned());
    assert_eq!(found, Err(BadId::ModelCharacter { found: '/' }));
}

/// One way in which parameters differ from the defaults.
type Change = fn(&mut Params);

/// The refusal of parameters that differ from the defaults in one way.
fn refused(change: Change) -> String {
    let mut params = Params::default();
    change(&mut params);
    let refusal = params.check().expect_err("out of range");
    assert_eq!(refusal.code, Code::BadParameter);
    refusal.message
}

#[test]
fn parameters_out_of_range_are_named() {
    let cases: [(Change, &str); 8] = [
        (|p| p.max_tokens = 0, "max_tokens is 0; 1 to 1048576 is allowed"),
        (|p| p.temperature = f32::NAN, "temperature is NaN; 0 to 100 is allowed"),
        (|p| p.temperature = -0.5, "temperature is -0.5; 0 to 100 is allowed"),
        (|p| p.min_p = f32::INFINITY, "min_p is inf; 0 to 1 is allowed"),
        (|p| p.top_p = 0.0, "top_p is 0;"),
        (|p| p.deadline_ms = Some(0), "deadline_ms is 0; 1 to 86400000 is allowed"),
        (|p| p.stop = vec![String::new()], "a stop string has 0 bytes; 1 to 256"),
        (|p| p.stop = vec!["x".into(); 17], "17 stop strings; at most 16 are allowed"),
    ];
    for (change, sentence) in cases {
        let message = refused(change);
        assert!(message.starts_with(sentence), "{message}");
    }
    assert_eq!(Params::default().check(), Ok(()));
}

#[test]
fn prompts_that_say_nothing_are_refused() {
    let nobody = ChatMessage { role: String::new(), content: "x".into() };
    let empty = [
        Prompt::Text(String::new()),
        Prompt::Tokens(vec![]),
        Prompt::Chat(vec![]),
        Prompt::Chat(vec![nobody]),
    ];
    for prompt in empty {
        assert_eq!(prompt.check().expect_err("empty").code, Code::BadParameter);
    }
}

#[test]
fn codes_have_the_numbers_of_the_contract() {
    let contract = [
        (10, "UNKNOWN_MODEL"),
        (11, "PROMPT_TOO_LONG"),
        (12, "BAD_TOKEN"),
        (13, "BAD_PARAMETER"),
        (14, "BAD_GRAMMAR"),
        (15, "DUPLICATE_REQUEST"),
        (16, "BAD_FRAME"),
        (17, "UNKNOWN_CONTEXT"),
        (20, "QUEUE_FULL"),
        (21, "MEMORY"),
        (22, "DEADLINE"),
        (23, "SLOW_CLIENT"),
        (24, "GRAMMAR_FAILED"),
        (30, "MODEL_LOAD"),
        (31, "MODEL_HASH"),
        (32, "MODEL_PATH"),
        (33, "MODEL_CHANGED"),
        (34, "MODEL_UNREADABLE"),
        (35, "CONTEXT_CHANGED"),
        (36, "CONTEXT_BROKEN"),
        (40, "WORKER_LOST"),
        (41, "POLICY_VIOLATION"),
        (42, "QUARANTINED"),
        (43, "WORKER_HUNG"),
        (50, "DRAINING"),
        (60, "INTERNAL"),
    ];
    let ours: Vec<_> = Code::ALL.iter().map(|&code| (u16::from(code), code.name())).collect();
    assert_eq!(ours, contract);
    assert!(Code::try_from(18).is_err());
}
