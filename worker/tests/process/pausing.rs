//! Requests that pause and go on, requests that share a prompt, and a worker that has to wait for
//! the cores.

use core_wire::{
    client::{Priority, Prompt, event::FinishReason},
    ids::JobId,
    worker::{JobKind, Payload, Sampling, ToBroker, ToWorker},
};

use crate::player::{Answer, Worker, greedy, model};

/// Drawn, with a stop string that cannot occur: whatever a sequence keeps has to be kept.
fn drawn(max_tokens: u32) -> Sampling {
    let stop = vec!["\u{1}never".to_owned()];
    Sampling { temperature: 1.2, top_k: 0, top_p: 1.0, min_p: 0.0, stop, ..greedy(max_tokens) }
}

fn kind(sampling: &Sampling) -> JobKind {
    JobKind::Generate(Box::new(sampling.clone()))
}

fn payload(text: &str, emitted: &[u32]) -> Payload {
    Payload { prompt: Prompt::Text(text.into()), emitted: emitted.to_vec() }
}

/// Waits until a job has got so many tokens, then parks it; answers what it got.
fn parked_after(worker: &mut Worker, job: JobId, tokens: usize) -> Answer {
    let mut answer = Answer::default();
    while answer.tokens.len() < tokens {
        let record = worker.hear();
        crate::player::note(std::slice::from_mut(&mut answer), &[job], record);
    }
    worker.tell(&ToWorker::Park(job));
    while !answer.is_over() {
        let record = worker.hear();
        crate::player::note(std::slice::from_mut(&mut answer), &[job], record);
    }
    assert!(answer.parked, "{answer:?}");
    answer
}

/// Pauses a request every few tokens; answers all it got and what of its prompt was cached.
fn interrupted(worker: &mut Worker, sampling: &Sampling, reuse: bool) -> (Vec<u32>, String, u32) {
    let (mut tokens, mut text, mut cached) = (Vec::new(), String::new(), 0);
    let mut last = None;
    for pause in [1, 2, 3, 7, 11] {
        let named = last.filter(|_| reuse);
        let payload = payload("Once upon a time", &tokens);
        let job = worker.send_as(Priority::Batch, named, kind(sampling), &payload);
        let answer = parked_after(worker, job, pause);
        cached += answer.cached_tokens;
        tokens.extend(answer.tokens);
        text += &answer.text;
        last = Some(job);
    }
    let named = last.filter(|_| reuse);
    let rest = payload("Once upon a time", &tokens);
    let job = worker.send_as(Priority::Batch, named, kind(sampling), &rest);
    let answer = worker.answers(&[job]).remove(0);
    assert_eq!(answer.reason(), Some(FinishReason::Length));
    tokens.extend(answer.tokens);
    (tokens, text + &answer.text, cached)
}

#[test]
fn a_request_that_pauses_gets_the_tokens_that_it_would_have_got() {
    let (mut worker, _) = Worker::ready(&model(), |plan| plan.idle_cells_max = 256);
    for sampling in [greedy(120), drawn(120)] {
        let whole = worker.complete("Once upon a time", sampling.clone());
        let (tokens, text, cached) = interrupted(&mut worker, &sampling, true);
        assert_eq!(tokens, whole.tokens, "none twice, none missing");
        assert_eq!(text, whole.text);
        assert!(cached > 0, "the cells were kept");
    }
}

/// Computed again in other shapes, logits differ in their last bits; so this is greedy, on a text
/// where the likeliest token is clear.
#[test]
fn a_request_whose_cells_were_dropped_is_computed_again() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let whole = worker.complete("Once upon a time", greedy(60));
    let (tokens, text, cached) = interrupted(&mut worker, &greedy(60), false);
    assert_eq!((&tokens, &text), (&whole.tokens, &whole.text));
    assert_eq!(cached, 0, "nobody named it");
}

/// The broker names a kept job for its continuation alone; a worker must not rely on it.
#[test]
fn cells_that_reach_beyond_a_request_are_not_its_own() {
    let (mut worker, _) = Worker::ready(&model(), |plan| plan.idle_cells_max = 256);
    let whole = worker.complete("Once upon a time", greedy(60));
    let first = payload("Once upon a time", &[]);
    let job = worker.send_as(Priority::Batch, None, kind(&greedy(120)), &first);
    parked_after(&mut worker, job, 30);
    let job = worker.send_as(Priority::Batch, Some(job), kind(&greedy(60)), &first);
    let answer = worker.answers(&[job]).remove(0);
    assert_eq!((answer.cached_tokens, answer.tokens), (0, whole.tokens));
}

#[test]
fn several_answers_to_one_prompt_compute_it_once() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let text = "Mira gave the red kite to Tom. Now Tom has the red kite. ".repeat(8);
    let alone = worker.complete(&text, greedy(12));
    let send = |worker: &mut Worker, reuse| {
        worker.send_as(Priority::Normal, reuse, kind(&greedy(12)), &payload(&text, &[]))
    };
    let first = send(&mut worker, None);
    let jobs = [first, send(&mut worker, Some(first)), send(&mut worker, Some(first))];
    let together = worker.answers(&jobs);
    // The beginning, which is certain: later a choice may hang on the last bits of a sum, which
    // differ where three are computed together.
    for answer in &together {
        assert_eq!(answer.tokens[..4], alone.tokens[..4]);
    }
    let cached: Vec<_> = together.iter().map(|answer| answer.cached_tokens).collect();
    let all_but_one = alone.prompt_tokens.unwrap() - 1;
    assert_eq!(cached, [0, all_but_one, all_but_one], "the last one's logits are needed");
}

#[test]
fn where_the_cells_run_out_the_lowest_class_gives_way() {
    let (mut worker, _) = Worker::ready(&model(), |plan| plan.n_ctx = 256);
    let mut send =
        |class| worker.send_as(class, None, kind(&greedy(180)), &payload("Once upon a time", &[]));
    let batch = send(Priority::Batch);
    let jobs = [batch, send(Priority::Normal)];
    let answers = worker.answers(&jobs);
    assert!(answers[0].parked, "{:?}", answers[0]);
    assert_eq!(answers[1].tokens.len(), 180);
    let got = answers[0].tokens.clone();
    let whole = worker.complete("Once upon a time", greedy(180)).tokens;
    let rest = payload("Once upon a time", &got);
    let job = worker.send_as(Priority::Batch, Some(batch), kind(&greedy(180)), &rest);
    let rest = worker.answers(&[job]).remove(0).tokens;
    assert_eq!([got, rest].concat(), whole);
}

#[test]
fn one_request_may_use_the_whole_cache() {
    let (mut worker, _) = Worker::ready(&model(), |plan| plan.n_ctx = 256);
    let answer = worker.complete("Once upon a time", greedy(1000));
    let prompt = answer.prompt_tokens.unwrap() as usize;
    assert_eq!(prompt + answer.tokens.len(), 256);
    assert_eq!(answer.reason(), Some(FinishReason::Length));
}

#[test]
fn without_the_cores_nothing_is_computed() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let job = worker.generate("Once", greedy(400));
    while !matches!(worker.hear(), ToBroker::Step(_)) {}
    worker.tell(&ToWorker::Pause);
    // What was computed before comes first; a ring's worth at most.
    while !matches!(worker.hear(), ToBroker::Paused) {}
    std::thread::sleep(std::time::Duration::from_millis(100));
    worker.tell(&ToWorker::Cancel(JobId(999)));
    worker.tell(&ToWorker::Pause);
    assert!(matches!(worker.hear(), ToBroker::Paused), "and no step before it");
    worker.tell(&ToWorker::Run);
    loop {
        if let ToBroker::Step(step) = worker.hear()
            && step.ended.iter().any(|ended| ended.job == job)
        {
            return;
        }
    }
}
