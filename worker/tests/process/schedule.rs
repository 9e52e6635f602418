//! Several requests at once.

use core_wire::{
    client::{Prompt, event::FinishReason},
    ids::JobId,
    worker::{JobKind, ToBroker, ToWorker},
};

use crate::player::{Worker, greedy, model};

#[test]
fn more_requests_than_slots_are_all_answered() {
    let (mut worker, _) = Worker::ready(&model(), |plan| plan.slots = 3);
    let jobs: Vec<JobId> =
        (0..12).map(|n| worker.generate(&format!("Story number {n}:"), greedy(5 + n))).collect();
    for (n, answer) in worker.answers(&jobs).into_iter().enumerate() {
        assert_eq!(answer.tokens.len(), 5 + n, "{:?}", answer.refused);
        assert_eq!(answer.reason(), Some(FinishReason::Length));
    }
}

#[test]
fn requests_that_do_not_fit_together_wait_for_each_other() {
    let (mut worker, _) = Worker::ready(&model(), |plan| plan.n_ctx = 256);
    // Each has more than half of the cells as its prompt.
    let prompt = Prompt::Tokens((0..180).map(|i| 10 + i % 90).collect());
    let kind = || JobKind::Generate(Box::new(greedy(20)));
    let jobs: Vec<JobId> = (0..3).map(|_| worker.send(kind(), &prompt)).collect();
    let mut started = Vec::new();
    let mut ended = Vec::new();
    while ended.len() < jobs.len() {
        match worker.hear() {
            ToBroker::Started(start) => {
                assert_eq!(started.len(), ended.len(), "one after the other");
                started.push(start.job);
            }
            ToBroker::Step(step) => ended.extend(step.ended.iter().map(|end| end.job)),
            other => panic!("not expected: {other:?}"),
        }
    }
    assert_eq!((&started, &ended), (&jobs, &jobs));
}

#[test]
fn a_short_request_does_not_wait_for_the_prefill_of_a_long_one() {
    let (mut worker, _) = Worker::ready(&model(), |plan| {
        plan.n_batch = 8;
        plan.n_ubatch = 8;
    });
    let long = Prompt::Tokens((0..400).map(|i| 10 + i % 90).collect());
    let long = worker.send(JobKind::Generate(Box::new(greedy(1))), &long);
    let short = worker.generate("Hi", greedy(4));
    let mut order = Vec::new();
    while order.len() < 2 {
        if let ToBroker::Step(step) = worker.hear() {
            order.extend(step.ended.iter().map(|end| end.job));
        }
    }
    assert_eq!(order, [short, long]);
}

#[test]
fn a_cancelled_request_ends_at_once_and_its_slot_is_free() {
    let (mut worker, _) = Worker::ready(&model(), |plan| plan.slots = 1);
    let running = worker.generate("Once", greedy(500));
    let waiting = worker.generate("Twice", greedy(5));
    let dropped = worker.generate("Thrice", greedy(5));
    loop {
        if matches!(worker.hear(), ToBroker::Step(step) if !step.tokens.is_empty()) {
            break;
        }
    }
    worker.tell(&ToWorker::Cancel(dropped));
    worker.tell(&ToWorker::Cancel(running));
    worker.tell(&ToWorker::Cancel(JobId(999)));
    let mut ends = Vec::new();
    while ends.len() < 3 {
        if let ToBroker::Step(step) = worker.hear() {
            ends.extend(step.ended.iter().map(|end| (end.job, end.reason)));
        }
    }
    let expected = [
        (dropped, FinishReason::Cancelled),
        (running, FinishReason::Cancelled),
        (waiting, FinishReason::Length),
    ];
    assert!(expected.iter().all(|end| ends.contains(end)), "{ends:?}");
}

#[test]
fn steps_count_up_by_one() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let jobs: Vec<JobId> = (0..4).map(|_| worker.generate("Once", greedy(20))).collect();
    let mut last = 0;
    let mut over = 0;
    while over < jobs.len() {
        if let ToBroker::Step(step) = worker.hear() {
            assert_eq!(step.step, last + 1);
            last = step.step;
            over += step.ended.len();
        }
    }
}

#[test]
fn an_idle_worker_sleeps_and_wakes_for_the_next_request() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    for _ in 0..3 {
        let first = worker.complete("Once", greedy(6));
        // Long enough for the cache to be cleared in between.
        std::thread::sleep(std::time::Duration::from_millis(120));
        assert_eq!(worker.complete("Once", greedy(6)).tokens, first.tokens);
    }
    let switches = |worker: &Worker| -> u64 {
        let of_threads = worker.status("voluntary_ctxt_switches");
        of_threads.iter().map(|count| count.parse::<u64>().unwrap()).sum()
    };
    std::thread::sleep(std::time::Duration::from_millis(200));
    let before = switches(&worker);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(switches(&worker), before, "an idle worker does not wake up");
}
