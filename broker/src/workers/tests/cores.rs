//! Jobs that need cores, and answers of workers that hold a vocabulary alone.

use core_wire::worker::{Locked, ModelFacts, Ready, ToBroker};
use tokio::time::{Duration, Instant};

use super::said::{JOB, chunk, generating, hear, ready, serving};
use crate::workers::link::{Breach, Emitted, Heard, Ledger, Role, Want};

fn vocabulary(facts: ModelFacts) -> Result<Ledger<()>, Breach> {
    let mut ledger = Ledger::new(Role::Vocabulary);
    hear(&mut ledger, &ToBroker::Locked(Locked { claims: Vec::new() }))?;
    let ready = Ready { facts, claims: Vec::new(), threads: 1, locked_us: 1, load_us: 1 };
    hear(&mut ledger, &ToBroker::Ready(ready))?;
    Ok(ledger)
}

#[test]
fn a_vocabulary_has_no_slots_and_no_context() {
    let facts = ModelFacts { n_vocab: 100, ..ModelFacts::default() };
    assert!(vocabulary(facts.clone()).is_ok());
    assert!(vocabulary(ModelFacts { slots: 1, ..facts.clone() }).is_err());
    assert!(vocabulary(ModelFacts { n_ctx: 64, ..facts.clone() }).is_err());
    assert!(vocabulary(ModelFacts { n_vocab: 0, ..facts }).is_err());
    let mut whole = Ledger::<()>::new(Role::Vocabulary);
    hear(&mut whole, &ToBroker::Locked(Locked { claims: Vec::new() })).unwrap();
    assert!(hear(&mut whole, &ready()).is_err(), "it loaded more than it was told to");
}

#[test]
fn generating_and_embedding_need_cores_and_nothing_else_does() {
    for (want, computes) in [
        (Want::Tokens { max: 1, logprobs: None }, true),
        (Want::Floats, true),
        (Want::Ids, false),
        (Want::Text, false),
        (Want::Nothing, false),
        (Want::State { bytes_max: 1 }, false),
        (Want::Count { bytes: 1 }, false),
        (Want::Published, true),
    ] {
        let mut ledger = serving();
        assert!(!ledger.computes() && !ledger.is_busy());
        ledger.submit(JOB, want, Emitted::default(), ());
        assert_eq!((ledger.computes(), ledger.is_busy()), (computes, true), "{want:?}");
    }
}

#[test]
fn an_embedding_and_an_empty_answer_come_in_chunks_too() {
    for want in [Want::Floats, Want::Nothing] {
        let mut ledger = serving();
        ledger.submit(JOB, want, Emitted::default(), ());
        assert!(matches!(hear(&mut ledger, &chunk(0, true, b"")), Ok(Heard::Answered(JOB))));
    }
}

#[test]
fn paused_is_heard_of_a_serving_worker_only() {
    assert!(matches!(hear(&mut serving(), &ToBroker::Paused), Ok(Heard::Paused)));
    let mut booting = Ledger::new(Role::Serve { n_ctx: 64, slots: 2 });
    assert!(matches!(hear(&mut booting, &ToBroker::Paused), Err(Breach::OutOfTurn { .. })));
}

#[test]
fn the_time_without_cores_is_not_held_against_a_worker() {
    let mut ledger = generating();
    let left = Instant::now();
    let now = left + Duration::from_secs(40);
    ledger.job_mut(JOB).unwrap().leave(left);
    assert_eq!(ledger.left_since(|_| true), Some(left));
    assert_eq!(ledger.left_since(|want| !want.computes()), None, "without cores it owes nothing");
    ledger.forgive(Duration::from_secs(30), now);
    assert_eq!(ledger.left_since(|_| true), Some(left + Duration::from_secs(30)));
    ledger.forgive(Duration::from_secs(30), now);
    assert_eq!(ledger.left_since(|_| true), Some(now), "it was left no later than now");
}
