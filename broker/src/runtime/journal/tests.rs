use core_wire::{
    client::Done,
    ids::{DomainId, JobId},
};

use super::*;
use crate::{config::OutboxConfig, memory::shares::Shares};

/// Bytes that one session may hold.
const SHARE: usize = 64 << 20;

fn outbox(frames_max: u32) -> Outbox {
    Outbox::new(OutboxConfig { frames_max, bytes_max: 1 << 20 })
}

fn id() -> RequestId {
    RequestId::try_from("r".to_owned()).unwrap()
}

fn token(id: u32) -> StepToken {
    StepToken { job: JobId(1), token: id, text: "abc".into(), logprob: None, top: Vec::new() }
}

/// A journal from the token `told` on, with memory for so many more.
fn journal(told: u32, tokens: usize, outbox: &Outbox) -> (Journal, Shares) {
    let mut shares = Shares::of_answers();
    let charge = shares.charge(DomainId(1), tokens * KEPT_BYTES_EACH).unwrap();
    (Journal::new(charge, told, outbox.clone(), id()), shares)
}

#[test]
fn all_is_kept_while_there_is_a_ticket_and_told_to_whoever_reads() {
    let reader = outbox(100);
    let (journal, _shares) = journal(5, 10, &reader);
    for n in 5..8 {
        journal.say(token(n)).unwrap();
    }
    assert_eq!((journal.first(), journal.count(), journal.is_told()), (5, 8, true));
    journal.silence();
    journal.say(token(8)).unwrap();
    assert!(!journal.is_told(), "nobody reads");
    journal.read_by(outbox(100), id(), 6);
    assert_eq!((journal.first(), journal.count(), journal.is_told()), (9, 9, true));
    journal.keep_all();
    journal.say(token(9)).unwrap();
    assert_eq!((journal.first(), journal.count()), (9, 10), "detached again, it is kept again");
}

#[test]
fn it_never_holds_more_than_was_set_aside() {
    let (journal, mut shares) = journal(0, 1, &outbox(100));
    let long = StepToken { text: "a".repeat(KEPT_BYTES_EACH), ..token(1) };
    let refusal = journal.say(long).unwrap_err();
    assert_eq!(refusal.code, Code::Memory);
    assert!(shares.charge(DomainId(1), SHARE).is_err());
    drop(journal);
    assert!(shares.charge(DomainId(1), SHARE).is_ok(), "what was set aside is given back");
}

#[test]
fn what_was_set_aside_for_more_is_given_back_at_the_end() {
    let (journal, mut shares) = journal(0, SHARE / KEPT_BYTES_EACH, &outbox(100));
    journal.silence();
    for n in 0..10 {
        journal.say(token(n)).unwrap();
    }
    assert!(shares.charge(DomainId(1), SHARE / 2).is_err());
    journal.end(ToClient::Done(Done::default()));
    let kept = journal.0.borrow().bytes;
    assert!(shares.charge(DomainId(1), SHARE - kept).is_ok(), "it holds what it keeps");
    assert!(shares.charge(DomainId(1), SHARE - kept + 1).is_err(), "and no less");
    journal.read_by(outbox(100), id(), 0);
    assert!(shares.charge(DomainId(1), SHARE).is_ok(), "all was told, and nothing is kept");
}

#[tokio::test(flavor = "current_thread")]
async fn half_of_the_room_is_left_to_other_requests() {
    let (journal, _shares) = journal(0, 100, &outbox(100));
    journal.silence();
    for n in 0..20 {
        journal.say(token(n)).unwrap();
    }
    let reader = outbox(8);
    let tasks = tokio::task::LocalSet::new();
    tasks.run_until(async { journal.read_by(reader.clone(), id(), 0) }).await;
    assert_eq!((journal.first(), journal.count(), journal.is_told()), (5, 20, false));
    assert!(reader.send(&id(), &ToClient::Progress { fraction: 0.5 }).is_ok());
}

#[tokio::test(flavor = "current_thread")]
async fn a_connection_that_ends_ends_the_waiting() {
    let tasks = tokio::task::LocalSet::new();
    let reader = outbox(8);
    let (journal, mut shares) = journal(0, 100, &outbox(100));
    for n in 0..20 {
        journal.say(token(n)).unwrap();
    }
    let waiting = tasks.run_until(async {
        journal.read_by(reader.clone(), id(), 0);
        reader.finish();
        until(|| journal.0.borrow().reader.is_none()).await;
    });
    waiting.await;
    drop(journal);
    assert!(shares.charge(DomainId(1), SHARE).is_ok(), "no task holds it any more");
}

/// Lets tasks run until it is so; a failure to get there hangs, and the runner ends it.
async fn until(so: impl Fn() -> bool) {
    while !so() {
        tokio::task::yield_now().await;
    }
}
