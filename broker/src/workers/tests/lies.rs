//! Everything that no correct worker says.

use core_wire::{
    client::FinishReason,
    code::Code,
    ids::JobId,
    worker::{
        Device, Failed, FailedCause, Inspected, Locked, ModelFacts, Needs, Refused, Started, Step,
        StepToken, ToBroker,
    },
};

use super::said::{JOB, chunk, end, generating, hear, parks, ready, serving, step, token};
use crate::workers::link::{Breach, Emitted, Heard, Ledger, Phase, Role, Want};

#[test]
fn the_order_of_the_start_is_kept() {
    let role = Role::Serve { n_ctx: 64, slots: 2 };
    for early in [ready(), ToBroker::Variant(0), ToBroker::Progress(0.5), chunk(0, true, b"")] {
        assert!(matches!(hear(&mut Ledger::new(role), &early), Err(Breach::OutOfTurn { .. })));
    }
    let failed = ToBroker::Failed(Failed { cause: FailedCause::Model, message: "no".into() });
    assert!(hear(&mut generating(), &failed).is_err(), "a serving worker does not fail to load");
    let mut ended = Ledger::new(role);
    hear(&mut ended, &failed).unwrap();
    assert_eq!(ended.phase(), Phase::Ended);
    assert!(hear(&mut ended, &failed).is_err());
}

#[test]
fn more_than_was_granted_is_refused() {
    for (n_ctx, slots) in [(63, 2), (64, 1)] {
        let mut ledger = Ledger::new(Role::Serve { n_ctx, slots });
        hear(&mut ledger, &ToBroker::Locked(Locked { claims: Vec::new() })).unwrap();
        assert!(matches!(hear(&mut ledger, &ready()), Err(Breach::Beyond { .. })));
    }
    let choosing = || Ledger::new(Role::Choose { variants: 3 });
    assert!(matches!(hear(&mut choosing(), &ToBroker::Variant(2)), Ok(Heard::Variant(2))));
    assert!(hear(&mut choosing(), &ToBroker::Variant(3)).is_err());
}

#[test]
fn who_reads_a_file_tells_of_no_gpu_and_who_tells_of_gpus_of_no_model() {
    let told = |facts: ModelFacts, private, devices| {
        let needs = Needs { private, ..Needs::default() };
        ToBroker::Inspected(Inspected { facts, needs, devices })
    };
    let model = || ModelFacts { n_ctx: 64, slots: 2, n_vocab: 9, ..ModelFacts::default() };
    let gpu = || vec![Device { name: "g".into(), free_bytes: 1, total_bytes: 2 }];
    let nothing = ModelFacts::default;
    let (file, none) = (Role::Inspect { n_ctx: 64, slots: 2 }, Role::Devices);
    for (role, record, holds) in [
        (file, told(model(), 1, vec![]), true),
        (file, told(model(), 1, gpu()), false),
        (file, told(nothing(), 1, vec![]), false),
        (none, told(nothing(), 0, gpu()), true),
        (none, told(nothing(), 0, vec![]), true),
        (none, told(model(), 0, gpu()), false),
        (none, told(nothing(), 1, gpu()), false),
        (none, ready(), false),
    ] {
        let mut ledger = Ledger::new(role);
        hear(&mut ledger, &ToBroker::Locked(Locked { claims: Vec::new() })).unwrap();
        assert_eq!(hear(&mut ledger, &record).is_ok(), holds, "{role:?}: {record:?}");
    }
    assert!(hear(&mut serving(), &told(model(), 1, vec![])).is_err());
}

fn all_are_found(lies: &[(&str, ToBroker)]) {
    for (what, lie) in lies {
        assert!(hear(&mut generating(), lie).is_err(), "{what}");
    }
}

#[test]
fn every_lie_about_steps_is_found() {
    let tokens = |tokens| step(1, tokens, Vec::new());
    let ends = |ends| step(1, Vec::new(), ends);
    let stop = || end(FinishReason::Stop);
    all_are_found(&[
        ("foreign job", tokens(vec![token(JobId(6), 1)])),
        ("outside the vocabulary", tokens(vec![token(JOB, 100)])),
        ("twice", tokens(vec![token(JOB, 1), token(JOB, 1)])),
        ("skipped step", step(2, Vec::new(), Vec::new())),
        ("repeated step", step(0, Vec::new(), Vec::new())),
        ("ended twice", ends(vec![stop(), stop()])),
        ("given up and ended", given_up_and_ended()),
        ("given up twice", parks(1, Vec::new(), vec![JOB, JOB])),
        ("a foreign job given up", parks(1, Vec::new(), vec![JobId(6)])),
        ("nobody cancelled", ends(vec![end(FinishReason::Cancelled)])),
    ]);
    let mut ledger = generating();
    for number in 1..=3 {
        hear(&mut ledger, &step(number, vec![token(JOB, 1)], Vec::new())).unwrap();
    }
    let fourth = hear(&mut ledger, &step(4, vec![token(JOB, 1)], Vec::new()));
    assert!(fourth.is_err(), "more tokens than were asked for");
}

fn given_up_and_ended() -> ToBroker {
    let ended = vec![end(FinishReason::Stop)];
    ToBroker::Step(Step { step: 1, tokens: Vec::new(), ended, parked: vec![JOB] })
}

#[test]
fn nothing_comes_after_a_job_was_given_up_and_brief_ones_never_are() {
    let mut ledger = generating();
    hear(&mut ledger, &parks(1, Vec::new(), vec![JOB])).unwrap();
    assert!(hear(&mut ledger, &step(2, vec![token(JOB, 1)], Vec::new())).is_err());
    let mut ledger = serving();
    ledger.submit(JOB, Want::Text, Emitted::default(), ());
    assert!(hear(&mut ledger, &parks(1, Vec::new(), vec![JOB])).is_err());
}

#[test]
fn every_other_lie_about_jobs_is_found() {
    let refused = |job, code| ToBroker::Refused(Refused::new(job, code, "x"));
    let twice = Started { job: JOB, prompt_tokens: 4, cached_tokens: 0 };
    all_are_found(&[
        ("started twice", ToBroker::Started(twice)),
        ("an answer of a generation", chunk(0, true, b"x")),
        ("a foreign refusal", refused(JobId(6), Code::BadToken)),
        ("not its code", refused(JOB, Code::ModelHash)),
        ("ready again", ready()),
    ]);
}

#[test]
fn a_prompt_beyond_the_context_and_an_early_token_are_lies() {
    let mut ledger = serving();
    ledger.submit(JOB, Want::Tokens { max: 3, logprobs: None }, Emitted::default(), ());
    assert!(hear(&mut ledger, &step(1, vec![token(JOB, 1)], Vec::new())).is_err());
    let mut ledger = serving();
    ledger.submit(JOB, Want::Tokens { max: 3, logprobs: None }, Emitted::default(), ());
    let long = Started { job: JOB, prompt_tokens: 65, cached_tokens: 0 };
    assert!(hear(&mut ledger, &ToBroker::Started(long)).is_err());
    let cached = Started { job: JOB, prompt_tokens: 4, cached_tokens: 5 };
    assert!(hear(&mut ledger, &ToBroker::Started(cached)).is_err());
}

#[test]
fn an_answer_ends_where_the_context_does() {
    let mut ledger = serving();
    ledger.submit(JOB, Want::Tokens { max: 1 << 20, logprobs: None }, Emitted::default(), ());
    let started = Started { job: JOB, prompt_tokens: 60, cached_tokens: 0 };
    hear(&mut ledger, &ToBroker::Started(started)).unwrap();
    for number in 1..=4 {
        hear(&mut ledger, &step(number, vec![token(JOB, 1)], Vec::new())).unwrap();
    }
    let beyond = hear(&mut ledger, &step(5, vec![token(JOB, 1)], Vec::new()));
    assert!(matches!(beyond, Err(Breach::Beyond { max: 64, .. })), "{beyond:?}");
}

#[test]
fn a_gap_or_a_flood_in_an_answer_is_a_lie() {
    let mut ledger = serving();
    ledger.submit(JOB, Want::Ids, Emitted::default(), ());
    assert!(hear(&mut ledger, &chunk(1, true, b"x")).is_err());
    let mut ledger = serving();
    ledger.submit(JOB, Want::Ids, Emitted::default(), ());
    let piece = vec![0; 64 << 10];
    let flood =
        (0..).find(|&number| hear(&mut ledger, &chunk(number << 16, false, &piece)).is_err());
    assert_eq!(flood, Some(256), "16 MiB are the bound");
}

/// A ledger with a job that was asked for `logprobs`, and what it says to a token that tells these.
fn told(asked: Option<u32>, logprob: Option<f32>, top: &[(u32, f32)]) -> Result<Heard, Breach> {
    let mut ledger = serving();
    ledger.submit(JOB, Want::Tokens { max: 3, logprobs: asked }, Emitted::default(), ());
    let started = Started { job: JOB, prompt_tokens: 4, cached_tokens: 0 };
    hear(&mut ledger, &ToBroker::Started(started)).unwrap();
    let token = StepToken { logprob, top: top.to_vec(), ..token(JOB, 1) };
    hear(&mut ledger, &step(1, vec![token], Vec::new()))
}

#[test]
fn probabilities_are_told_as_asked_of_ids_that_there_are() {
    let two = [(99, -0.1), (0, -3.0)];
    for (asked, logprob, top) in [
        (None, None, &[][..]),
        (Some(0), Some(-1.0), &[]),
        (Some(2), Some(-0.1), &two),
        (Some(2), Some(-0.1), &two[..1]),
        (Some(1), Some(0.0), &[(1, 1e-6)]),
        (Some(0), Some(f32::MIN), &[]),
    ] {
        assert!(told(asked, logprob, top).is_ok(), "{asked:?} {logprob:?} {top:?}");
    }
    for (asked, logprob, top) in [
        (None, Some(-1.0), &[][..]),
        (None, None, &two[..1]),
        (Some(0), None, &[]),
        (Some(1), Some(-0.1), &two),
        (Some(2), Some(-0.1), &[(100, -0.1)]),
        (Some(2), Some(0.1), &two),
        (Some(2), Some(-0.1), &[(1, 0.1)]),
    ] {
        assert!(told(asked, logprob, top).is_err(), "{asked:?} {logprob:?} {top:?}");
    }
}
