//! Domains: each finds its own, and what is published.

use core_wire::{client::event::FinishReason, code::Code, ids::DomainId, worker::ToWorker};

use super::{A, B, ask, cached, prompt, publish, worker, worker_with};
use crate::player::{Errand, greedy};

#[test]
fn a_talk_goes_on_without_computing_what_was_said() {
    let (mut worker, mut cold) = (worker(), worker());
    let mut said = prompt(0, 60);
    let mut kept = 0;
    for _ in 0..3 {
        let answer = ask(&mut worker, A, &said, 12);
        assert_eq!(answer.cached_tokens, kept, "all but the last token, which was not computed");
        assert_eq!(answer.tokens, ask(&mut cold, None, &said, 12).tokens);
        kept = u32::try_from(said.len()).unwrap() + 11;
        said.extend(&answer.tokens);
        said.extend(prompt(4, 5));
    }
}

#[test]
fn nobody_else_finds_what_a_domain_left() {
    let mut worker = worker();
    let said = prompt(0, 80);
    assert_eq!(cached(&mut worker, A, &said), 0);
    assert_eq!(cached(&mut worker, B, &said), 0, "not even an equal prompt");
    assert_eq!(cached(&mut worker, None, &said), 0);
    assert_eq!(cached(&mut worker, Some(DomainId::PUBLIC), &said), 0);
    assert_eq!(cached(&mut worker, A, &said), 79, "the last one's logits are needed");
    worker.tell(&ToWorker::Forget(DomainId(1)));
    assert_eq!(cached(&mut worker, Some(DomainId(3)), &said), 0);
    assert_eq!(cached(&mut worker, A, &said), 0, "it was forgotten");
    assert_eq!(cached(&mut worker, B, &said), 79, "and this one was not");
}

#[test]
fn what_runs_while_its_domain_is_forgotten_leaves_nothing() {
    let mut worker = worker();
    let said = prompt(0, 80);
    let job = worker.submit(Errand::generate(A, &said, greedy(60)));
    worker.tell(&ToWorker::Forget(DomainId(1)));
    assert_eq!(worker.answers(&[job])[0].tokens.len(), 60);
    assert_eq!(cached(&mut worker, A, &said), 0);
}

#[test]
fn a_cancelled_request_leaves_what_it_computed() {
    let mut worker = worker();
    let said = prompt(0, 40);
    let job = worker.submit(Errand::generate(A, &said, greedy(300)));
    let mut answer = crate::player::Answer::default();
    while !answer.is_over() {
        let record = worker.hear();
        crate::player::note(std::slice::from_mut(&mut answer), &[job], record);
        if answer.tokens.len() == 5 {
            worker.tell(&ToWorker::Cancel(job));
        }
    }
    assert_eq!(answer.reason(), Some(FinishReason::Cancelled));
    let whole = [&said[..], &answer.tokens].concat();
    assert!(cached(&mut worker, A, &whole) >= 44, "the prompt and most of the answer");
}

#[test]
fn two_talks_with_one_beginning_are_both_kept() {
    let mut worker = worker();
    let shared = prompt(0, 30);
    let talks = [1, 2].map(|kind| [&shared[..], &prompt(kind, 60)].concat());
    assert_eq!(cached(&mut worker, A, &talks[0]), 0);
    assert_eq!(cached(&mut worker, A, &talks[1]), 30);
    assert_eq!(cached(&mut worker, A, &talks[0]), 89);
    assert_eq!(cached(&mut worker, A, &talks[1]), 89);
}

#[test]
fn a_published_prefix_serves_everybody_until_it_is_withdrawn() {
    let (mut worker, mut cold) = (worker(), worker());
    let prefix = prompt(0, 100);
    assert_eq!(publish(&mut worker, &prefix).unwrap(), 100);
    for (domain, kind) in [(A, 1), (B, 2)] {
        let said = [&prefix[..], &prompt(kind, 10)].concat();
        let answer = ask(&mut worker, domain, &said, 10);
        assert_eq!(answer.cached_tokens, 100);
        assert_eq!(answer.tokens, ask(&mut cold, None, &said, 10).tokens);
    }
    assert_eq!(cached(&mut worker, None, &prefix), 0, "whose cache is off finds nothing");
    assert_eq!(publish(&mut worker, &prefix).unwrap(), 100, "again is as good as once");
    worker.tell(&ToWorker::Forget(DomainId::PUBLIC));
    assert_eq!(cached(&mut worker, Some(DomainId(3)), &prefix), 0);
    assert_eq!(cached(&mut worker, A, &[&prefix[..], &[11]].concat()), 100, "its own copy");
}

#[test]
fn a_prefix_that_cannot_be_kept_is_not_published() {
    let mut worker = worker_with(|plan| plan.idle_cells_max = 50);
    let refused = publish(&mut worker, &prompt(0, 51)).unwrap_err();
    assert_eq!(refused.code, Code::Memory);
    assert!(refused.message.contains("51") && refused.message.contains("50"), "{refused:?}");
    assert_eq!(publish(&mut worker, &[]).unwrap_err().code, Code::BadParameter);
    assert_eq!(publish(&mut worker, &[u32::MAX]).unwrap_err().code, Code::BadToken);
    assert_eq!(publish(&mut worker, &prompt(0, 50)).unwrap(), 50);
    assert_eq!(cached(&mut worker, A, &prompt(0, 60)), 50);
}
