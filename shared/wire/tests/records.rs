//! Records of the rings: what a worker may say, and what gets it killed.

use core_wire::{
    client::{FinishReason, Prompt},
    code::Code,
    codec,
    ids::JobId,
    limits::{CLAIMS_MAX, FRAGMENT_BYTES_MAX, SLOTS_MAX, STEP_TEXT_BYTES_MAX},
    untrusted::Untrusted,
    worker::{
        BadRecord, Chunk, Claim, Ended, Failed, FailedCause, Fragment, KIND_MAX, Locked, Refused,
        Started, Step, StepToken, ToBroker, ToWorker,
    },
};
use proptest::{collection::vec, prelude::*};

fn read(record: &ToBroker) -> Result<ToBroker, BadRecord> {
    let (kind, payload) = record.encode().expect("encodes");
    ToBroker::read(kind, Untrusted::new(&payload))
}

fn token(text: String, logprob: Option<f32>) -> StepToken {
    StepToken { job: JobId(1), token: 5, text, logprob, top: vec![] }
}

fn step(tokens: Vec<StepToken>) -> ToBroker {
    ToBroker::Step(Step { step: 1, tokens, ..Step::default() })
}

#[test]
fn every_record_of_a_worker_survives_the_way() {
    let ended = Ended { job: JobId(1), reason: FinishReason::Stop, prefill_us: 1, decode_us: 2 };
    let records = [
        ToBroker::Locked(Locked { claims: vec![] }),
        ToBroker::Variant(3),
        ToBroker::Progress(1.0),
        ToBroker::Failed(Failed { cause: FailedCause::Model, message: "not GGUF".into() }),
        ToBroker::Started(Started { job: JobId(9), prompt_tokens: 3, cached_tokens: 0 }),
        ToBroker::Step(Step {
            step: 1,
            tokens: vec![StepToken { top: vec![(5, -0.5)], ..token("a".into(), Some(-0.5)) }],
            ended: vec![ended],
            parked: vec![JobId(2)],
        }),
        ToBroker::Paused,
        ToBroker::Chunk(Chunk { job: JobId(1), offset: 0, last: true, bytes: vec![1, 2] }),
        ToBroker::Refused(Refused::new(JobId(1), Code::BadToken, "token 9 of 8")),
    ];
    for record in records {
        assert_eq!(read(&record).expect("is read"), record);
    }
}

#[test]
fn every_record_of_the_broker_survives_the_way() {
    let fragment = Fragment { job: JobId(1), offset: 2, bytes: vec![3; 9] };
    let records = [
        ToWorker::Go,
        ToWorker::Cancel(JobId(8)),
        ToWorker::Stop,
        ToWorker::Park(JobId(8)),
        ToWorker::Run,
        ToWorker::Pause,
    ];
    for record in records.into_iter().chain([ToWorker::Fragment(fragment)]) {
        let (kind, payload) = record.encode().expect("encodes");
        assert!(kind <= KIND_MAX);
        assert_eq!(ToWorker::decode(kind, &payload).expect("is read"), record);
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let long = "x".repeat(600);
    let lies = [
        step(vec![token("a".into(), None); SLOTS_MAX as usize + 1]),
        step(vec![token("a".repeat(STEP_TEXT_BYTES_MAX + 1), None)]),
        step(vec![token(String::new(), Some(f32::NAN))]),
        step(vec![StepToken { top: vec![(1, f32::INFINITY)], ..token(String::new(), None) }]),
        step(vec![StepToken { top: vec![(1, -1.0); 21], ..token(String::new(), None) }]),
        ToBroker::Step(Step { parked: vec![JobId(1); SLOTS_MAX as usize + 1], ..Step::default() }),
        ToBroker::Locked(Locked { claims: vec![Claim(1); CLAIMS_MAX + 1] }),
        ToBroker::Failed(Failed { cause: FailedCause::Model, message: long }),
        ToBroker::Failed(Failed { cause: FailedCause::Model, message: "\u{1b}[2J".into() }),
        ToBroker::Progress(1.5),
        ToBroker::Progress(f32::NAN),
        ToBroker::Chunk(Chunk {
            job: JobId(1),
            offset: 0,
            last: false,
            bytes: vec![0; FRAGMENT_BYTES_MAX + 1],
        }),
    ];
    for lie in lies {
        assert!(read(&lie).is_err(), "{lie:?} was accepted");
    }
}

#[test]
fn unknown_kinds_and_text_that_is_none_are_refused() {
    assert!(matches!(ToBroker::read(0, Untrusted::new(&[])), Err(BadRecord::Kind { kind: 0 })));
    assert!(ToBroker::read(KIND_MAX + 1, Untrusted::new(&[])).is_err());
    assert!(ToWorker::decode(2, &[1]).is_err(), "GO has no payload");
    let (kind, mut payload) = step(vec![token("abcd".into(), None)]).encode().expect("encodes");
    let at = payload.windows(4).position(|w| w == b"abcd").expect("is there");
    payload[at] = 0xff;
    assert!(ToBroker::read(kind, Untrusted::new(&payload)).is_err(), "invalid UTF-8");
}

#[test]
fn a_refusal_is_cut_to_what_a_record_may_carry() {
    let refused = Refused::new(JobId(1), Code::BadParameter, &"\u{1F600}\n".repeat(900));
    assert!(read(&ToBroker::Refused(refused)).is_ok());
}

proptest! {
    /// A worker that writes noise is refused or understood, and never panics the broker.
    #[test]
    fn noise_is_refused_or_understood(kind in any::<u8>(), payload in vec(any::<u8>(), 0..200)) {
        if let Ok(record) = ToBroker::read(kind, Untrusted::new(&payload)) {
            prop_assert!(read(&record).is_ok());
        }
    }

    #[test]
    fn prompts_survive_the_way(text in ".{0,200}") {
        let prompt = Prompt::Text(text);
        let bytes = codec::encode(&prompt).expect("encodes");
        let again: Prompt = codec::decode(&bytes).expect("decodes");
        prop_assert!(again == prompt);
    }
}
