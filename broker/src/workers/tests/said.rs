//! Records as an honest worker sends them, and what is heard of them.

use core_wire::{
    client::FinishReason,
    ids::JobId,
    worker::{Chunk, Ended, Locked, ModelFacts, Ready, Started, Step, StepToken, ToBroker},
};

use crate::workers::link::{Breach, Emitted, Heard, Ledger, Role, Want};

pub(super) const JOB: JobId = JobId(5);

pub(super) fn hear(ledger: &mut Ledger<()>, record: &ToBroker) -> Result<Heard, Breach> {
    let (kind, payload) = record.encode().unwrap();
    ledger.hear(kind, &payload)
}

pub(super) fn ready() -> ToBroker {
    let facts = ModelFacts { n_ctx: 64, n_vocab: 100, slots: 2, ..ModelFacts::default() };
    ToBroker::Ready(Ready { facts, claims: Vec::new(), threads: 1, locked_us: 1, load_us: 1 })
}

pub(super) fn serving() -> Ledger<()> {
    let mut ledger = Ledger::new(Role::Serve { n_ctx: 64, slots: 2 });
    hear(&mut ledger, &ToBroker::Locked(Locked { claims: Vec::new() })).unwrap();
    hear(&mut ledger, &ready()).unwrap();
    ledger
}

pub(super) fn generating() -> Ledger<()> {
    let mut ledger = serving();
    ledger.submit(JOB, Want::Tokens { max: 3, logprobs: None }, Emitted::default(), ());
    let started = Started { job: JOB, prompt_tokens: 4, cached_tokens: 0 };
    hear(&mut ledger, &ToBroker::Started(started)).unwrap();
    ledger
}

pub(super) fn token(job: JobId, token: u32) -> StepToken {
    StepToken { job, token, text: "a".into(), logprob: None, top: vec![] }
}

pub(super) fn step(step: u64, tokens: Vec<StepToken>, ended: Vec<Ended>) -> ToBroker {
    ToBroker::Step(Step { step, tokens, ended, parked: vec![] })
}

pub(super) fn parks(step: u64, tokens: Vec<StepToken>, parked: Vec<JobId>) -> ToBroker {
    ToBroker::Step(Step { step, tokens, ended: vec![], parked })
}

pub(super) fn end(reason: FinishReason) -> Ended {
    Ended { job: JOB, reason, prefill_us: 1, decode_us: 1 }
}

pub(super) fn chunk(offset: u32, last: bool, bytes: &[u8]) -> ToBroker {
    ToBroker::Chunk(Chunk { job: JOB, offset, last, bytes: bytes.into() })
}

#[test]
fn an_honest_worker_is_heard() {
    let mut ledger = generating();
    for number in 1..=3 {
        hear(&mut ledger, &step(number, vec![token(JOB, 99)], Vec::new())).unwrap();
    }
    let last = step(4, Vec::new(), vec![end(FinishReason::Length)]);
    assert!(matches!(hear(&mut ledger, &last), Ok(Heard::Step(_))));
    let job = ledger.remove(JOB).unwrap();
    assert_eq!((job.sent, job.started().unwrap().prompt_tokens), (3, 4));
}

#[test]
fn a_job_that_is_given_up_keeps_the_token_of_that_step_and_continues_behind_it() {
    let mut ledger = generating();
    hear(&mut ledger, &parks(1, vec![token(JOB, 7)], vec![JOB])).unwrap();
    let mut parked = ledger.remove(JOB).unwrap();
    assert_eq!((parked.sent, parked.emitted.count()), (1, 0), "nobody was sent it yet");
    // As the runtime does once the client has it.
    assert!(parked.emitted.push(7), "the first of a job is worth a note");
    let again = JobId(6);
    ledger.submit(again, Want::Tokens { max: 3, logprobs: None }, parked.emitted, ());
    let started = Started { job: again, prompt_tokens: 4, cached_tokens: 4 };
    hear(&mut ledger, &ToBroker::Started(started)).unwrap();
    for number in 2..=3 {
        hear(&mut ledger, &step(number, vec![token(again, 8)], Vec::new())).unwrap();
        let job = ledger.job_mut(again).unwrap();
        assert_eq!(job.emitted.push(8), number == 2);
    }
    let job = ledger.job_mut(again).unwrap();
    assert_eq!((job.sent, job.emitted.ids()), (3, &[7, 8, 8][..]));
    assert_eq!(format!("{:?}", job.emitted), "Emitted(3)");
    let fourth = hear(&mut ledger, &step(4, vec![token(again, 8)], Vec::new()));
    assert!(fourth.is_err(), "three were asked for in all");
}

#[test]
fn a_job_may_be_given_up_before_its_prompt_was_looked_at() {
    let mut ledger = serving();
    ledger.submit(JOB, Want::Tokens { max: 3, logprobs: None }, Emitted::default(), ());
    assert!(matches!(hear(&mut ledger, &parks(1, vec![], vec![JOB])), Ok(Heard::Step(_))));
}

#[test]
fn an_answer_grows_in_order() {
    let mut ledger = serving();
    ledger.submit(JOB, Want::Text, Emitted::default(), ());
    assert!(matches!(hear(&mut ledger, &chunk(0, false, b"ab")), Ok(Heard::More)));
    assert!(matches!(hear(&mut ledger, &chunk(2, true, b"c")), Ok(Heard::Answered(JOB))));
    assert_eq!(ledger.remove(JOB).unwrap().answer, b"abc");
}

#[test]
fn an_embedding_that_was_cancelled_ends_so_or_with_the_answer_that_was_on_its_way() {
    let ends = || step(1, Vec::new(), vec![end(FinishReason::Cancelled)]);
    let embedding = || {
        let mut ledger = serving();
        ledger.submit(JOB, Want::Floats, Emitted::default(), ());
        ledger
    };
    let mut cancelled = embedding();
    cancelled.job_mut(JOB).unwrap().cancel();
    assert!(matches!(hear(&mut cancelled, &ends()), Ok(Heard::Step(_))));
    assert!(hear(&mut cancelled, &chunk(0, true, b"late")).is_err(), "nothing follows its end");
    let mut answered = embedding();
    hear(&mut answered, &chunk(0, false, b"some")).unwrap();
    answered.job_mut(JOB).unwrap().cancel();
    let last = hear(&mut answered, &chunk(4, true, b"more"));
    assert!(matches!(last, Ok(Heard::Answered(JOB))), "{last:?}");
    assert!(hear(&mut embedding(), &ends()).is_err(), "nobody cancelled it");
    let mut brief = serving();
    brief.submit(JOB, Want::Ids, Emitted::default(), ());
    brief.job_mut(JOB).unwrap().cancel();
    assert!(hear(&mut brief, &ends()).is_err(), "brief jobs end in their answer");
    let mut stopped = embedding();
    stopped.job_mut(JOB).unwrap().cancel();
    let stop = step(1, Vec::new(), vec![end(FinishReason::Stop)]);
    assert!(hear(&mut stopped, &stop).is_err(), "it has no tokens to stop at");
}
