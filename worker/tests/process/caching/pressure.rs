//! What is kept gives way to whoever runs, and harms nobody.

use core_wire::{
    client::{Priority, Prompt},
    ids::DomainId,
    worker::{JobKind, Payload, ToWorker},
};

use super::{A, B, ask, cached, prompt, publish, worker, worker_with};
use crate::player::{Answer, Errand, greedy, note};

#[test]
fn whoever_runs_has_all_the_cells() {
    let mut worker = worker_with(|plan| {
        plan.n_ctx = 256;
        plan.idle_cells_max = 250;
    });
    let alone: Vec<Answer> =
        (0..3).map(|kind| ask(&mut worker, None, &prompt(kind, 40), 40)).collect();
    publish(&mut worker, &prompt(5, 100)).unwrap();
    for domain in 1..=4 {
        ask(&mut worker, Some(DomainId(domain)), &prompt(6, 30), 4);
    }
    let jobs: Vec<_> = (0..3)
        .map(|kind| worker.submit(Errand::generate(B, &prompt(kind, 40), greedy(40))))
        .collect();
    for (answer, alone) in worker.answers(&jobs).iter().zip(&alone) {
        assert_eq!((answer.tokens.len(), &answer.refused), (40, &None));
        // Later a choice may hang on the last bits of a sum: three were computed together.
        assert_eq!(answer.tokens[..8], alone.tokens[..8]);
    }
    assert_eq!(ask(&mut worker, A, &prompt(7, 200), 56).tokens.len(), 56, "one may have all");
}

#[test]
fn no_more_is_kept_than_may_be() {
    let mut worker = worker_with(|plan| plan.idle_cells_max = 100);
    for kind in 0..3 {
        cached(&mut worker, A, &prompt(kind, 40));
    }
    assert_eq!(cached(&mut worker, A, &prompt(0, 40)), 0, "used longest ago");
    assert_eq!(cached(&mut worker, A, &prompt(2, 40)), 39);
    let long = prompt(4, 150);
    cached(&mut worker, B, &long);
    assert_eq!(cached(&mut worker, B, &long), 100, "its beginning");
}

#[test]
fn more_talks_than_sequence_ids_go_on() {
    let mut worker = worker_with(|plan| plan.idle_cells_max = 500);
    for domain in 1..=40 {
        cached(&mut worker, Some(DomainId(domain)), &prompt(1, 8));
    }
    assert_eq!(cached(&mut worker, Some(DomainId(40)), &prompt(1, 8)), 7);
    assert_eq!(cached(&mut worker, Some(DomainId(1)), &prompt(1, 8)), 0);
}

#[test]
fn one_that_pauses_and_its_domain_share_cells() {
    let mut worker = worker();
    let said = prompt(0, 50);
    let whole = ask(&mut worker, None, &said, 40).tokens;
    let job = worker.submit(Errand::generate(A, &said, greedy(40)));
    let mut answer = Answer::default();
    while !answer.is_over() {
        let record = worker.hear();
        note(std::slice::from_mut(&mut answer), &[job], record);
        if answer.tokens.len() == 10 {
            worker.tell(&ToWorker::Park(job));
        }
    }
    assert!(answer.parked);
    assert_eq!(cached(&mut worker, A, &[&said[..], &[12, 13]].concat()), 50);
    assert_eq!(cached(&mut worker, B, &said), 0);
    let emitted = answer.tokens.clone();
    let payload = Payload { prompt: Prompt::Tokens(said), emitted: emitted.clone() };
    let kind = JobKind::Generate(Box::new(greedy(40)));
    let class = Priority::Batch;
    let rest = Errand { class, reuse: Some(job), domain: A, ..Errand::of(kind, &payload) };
    let job = worker.submit(rest);
    let rest = worker.answers(&[job]).remove(0);
    assert_eq!(rest.cached_tokens, 50, "of its prompt all");
    assert_eq!([emitted, rest.tokens].concat(), whole);
}

#[test]
fn several_answers_to_one_prompt_and_the_next_one() {
    let mut worker = worker();
    let said = prompt(0, 60);
    let send = |worker: &mut crate::player::Worker, reuse| {
        worker.submit(Errand { reuse, ..Errand::generate(A, &said, greedy(6)) })
    };
    let first = send(&mut worker, None);
    let jobs = [first, send(&mut worker, Some(first)), send(&mut worker, Some(first))];
    let answers = worker.answers(&jobs);
    let counts: Vec<u32> = answers.iter().map(|answer| answer.cached_tokens).collect();
    assert_eq!(counts, [0, 59, 59]);
    let next = [&said[..], &answers[0].tokens, &[11]].concat();
    assert_eq!(cached(&mut worker, A, &next), 65);
}

#[test]
fn what_is_kept_outlives_a_pause_of_all() {
    let mut worker = worker();
    let said = prompt(0, 60);
    cached(&mut worker, A, &said);
    // Long enough for a worker with nothing to do to put its things in order.
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(cached(&mut worker, A, &said), 59);
}
