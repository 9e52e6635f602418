mod turns;

use std::{rc::Weak, time::Duration};

use core_wire::{
    client::Done,
    code::Code,
    ids::{DomainId, JobId},
};

use tokio::time::sleep;

use super::{reader::told, *};
use crate::{config::OutboxConfig, memory::shares::Shares, scheduler::Ticket};

/// How long a reader is waited for.
const PATIENCE: Duration = Duration::from_millis(200);

/// Bytes that one session may hold.
const SHARE: usize = 96 << 20;

fn outbox(frames_max: u32) -> Outbox {
    Outbox::new(OutboxConfig { frames_max, bytes_max: 1 << 20 })
}

fn id() -> RequestId {
    RequestId::try_from("r".to_owned()).unwrap()
}

fn token(id: u32) -> StepToken {
    StepToken { job: JobId(1), token: id, text: "abc".into(), logprob: None, top: Vec::new() }
}

/// The errors that a client reads.
fn codes(reader: &Outbox) -> Vec<Code> {
    let ends = reader.read_all().into_iter().filter(ToClient::is_terminal);
    let codes = ends.map(|end| match end {
        ToClient::Error(refusal) => refusal.code,
        other => panic!("no error but {other:?}"),
    });
    codes.collect()
}

/// A journal with so many tokens that nobody reads, and room for 100.
fn unread(tokens: u32) -> (Journal, Shares) {
    let (journal, shares) = journal(0, 100, &outbox(100));
    journal.silence();
    (0..tokens).for_each(|n| journal.say(token(n)).unwrap());
    (journal, shares)
}

/// A journal from the token `told` on, with memory for so many more.
fn journal(told: u32, tokens: usize, outbox: &Outbox) -> (Journal, Shares) {
    let mut shares = Shares::of_answers();
    let charge = shares.charge(DomainId(1), tokens * KEPT_BYTES_EACH).unwrap();
    let owner = Owner::new(Weak::new(), Ticket(1), PATIENCE);
    let journal = Journal::new(charge, told, (outbox.clone(), id()), owner);
    journal.0.borrow_mut().owner.patience = PATIENCE;
    (journal, shares)
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
    let (journal, _shares) = unread(20);
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

#[tokio::test(flavor = "current_thread")]
async fn a_reader_that_takes_nothing_is_given_up_and_nothing_is_kept() {
    let done = ToClient::Done(Done::default());
    for end in [None, Some(done)] {
        let tasks = tokio::task::LocalSet::new();
        let reader = outbox(8);
        let (journal, mut shares) = unread(20);
        let waiting = tasks.run_until(async {
            end.into_iter().for_each(|end| journal.end(end));
            journal.read_by(reader.clone(), id(), 0);
            sleep(PATIENCE / 4).await;
            assert_eq!(journal.first(), 5, "it is waited for");
            until(|| journal.0.borrow().reader.is_none()).await;
        });
        waiting.await;
        assert_eq!((journal.first(), journal.count()), (20, 20));
        assert!(shares.charge(DomainId(1), SHARE).is_ok(), "nothing is kept nor set aside");
        assert_eq!(codes(&reader), [Code::SlowClient], "it hears that, and nothing else");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_reader_that_loses_it_to_another_is_told_once_whether_it_has_ended_or_not() {
    let usage = Usage { completion_tokens: 20, ..Usage::default() };
    let done = Done { finish_reason: Some(FinishReason::Length), usage, ..Done::default() };
    for end in [None, Some(ToClient::Done(done))] {
        let tasks = tokio::task::LocalSet::new();
        let (slow, quick) = (outbox(8), outbox(100));
        let (journal, _shares) = journal(0, 100, &slow);
        let telling = tasks.run_until(async {
            for n in 0..20 {
                journal.say(token(n)).unwrap();
            }
            end.iter().cloned().for_each(|end| journal.end(end));
            journal.leave_reader(Some((usage, Timings::default())));
            journal.read_by(quick.clone(), id(), 3);
        });
        telling.await;
        let lost = slow.read_all();
        assert_eq!(lost.len(), 6, "what it had, and an end");
        let cancelled = Some(FinishReason::Cancelled);
        let last = Done { finish_reason: cancelled, usage, ..Done::default() };
        assert!(lost.last() == Some(&ToClient::Done(last)));
        let ends = usize::from(end.is_some());
        assert_eq!(quick.read_all().len(), 17 + ends, "all of it, and its own end");
        journal.leave_reader(None);
        journal.read_by(outbox(100), id(), 20);
        assert_eq!(slow.read_all().len(), 0, "nothing more");
        assert_eq!(quick.read_all().len(), 1 - ends);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn what_has_a_ticket_is_kept_without_a_reader_that_takes_nothing() {
    let tasks = tokio::task::LocalSet::new();
    let reader = outbox(8);
    let (journal, _shares) = journal(0, 100, &reader);
    let waiting = tasks.run_until(async {
        for n in 0..20 {
            journal.say(token(n)).unwrap();
        }
        sleep(2 * PATIENCE).await;
    });
    waiting.await;
    assert_eq!((journal.first(), journal.count()), (0, 20));
    assert!(journal.0.borrow().reader.is_none());
    assert_eq!(codes(&reader), [Code::SlowClient]);
}

/// Lets tasks run until it is so; a failure to get there hangs, and the runner ends it.
async fn until(mut so: impl FnMut() -> bool) {
    while !so() {
        tokio::task::yield_now().await;
    }
}
