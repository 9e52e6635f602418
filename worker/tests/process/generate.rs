//! Text in, tokens out.

use core_wire::{
    client::{Prompt, event::FinishReason, request::ChatMessage},
    worker::{JobKind, Sampling, job::EndOfGeneration},
};

use crate::player::{Worker, greedy, model, shipped};

const STORY: &str = "Mira gave the red kite to Tom. Now Tom has the";

#[test]
fn greedy_gives_the_same_tokens_every_time() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let first = worker.complete(STORY, greedy(24));
    assert_eq!((first.tokens.len(), first.reason()), (24, Some(FinishReason::Length)));
    let second = worker.complete(STORY, greedy(24));
    assert_eq!((second.tokens, second.text), (first.tokens.clone(), first.text));
    drop(worker);
    let (mut other, _) = Worker::ready(&model(), |_| {});
    assert_eq!(other.complete(STORY, greedy(24)).tokens, first.tokens);
}

#[test]
fn the_model_that_ships_knows_what_it_just_read() {
    let (mut worker, _) = Worker::ready(&shipped(), |_| {});
    let text = worker.complete(STORY, greedy(6)).text;
    assert!(text.starts_with(" red kite"), "{text}");
    let question = ChatMessage {
        role: "user".into(),
        content: "Mira put the ball in the box. Where is the ball?".into(),
    };
    let sampling = Sampling { end: EndOfGeneration::Stops, ..greedy(40) };
    let job = worker.send(JobKind::Generate(Box::new(sampling)), &Prompt::Chat(vec![question]));
    let answer = worker.answers(&[job]).remove(0);
    assert!(answer.text.contains("box"), "{}", answer.text);
    assert_eq!(answer.reason(), Some(FinishReason::Stop), "{}", answer.text);
}

#[test]
fn a_prompt_of_tokens_is_the_same_as_its_text() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let text = Prompt::Text(STORY.into());
    let kind = JobKind::Tokenize(core_wire::client::request::Special::Prompt);
    let bytes = worker.chunks(kind, &text).unwrap();
    let ids: Vec<u32> =
        bytes.chunks(4).map(|id| u32::from_le_bytes(id.try_into().unwrap())).collect();
    let count = u32::try_from(ids.len()).unwrap();
    let job = worker.send(JobKind::Generate(Box::new(greedy(12))), &Prompt::Tokens(ids));
    let by_ids = worker.answers(&[job]).remove(0);
    let by_text = worker.complete(STORY, greedy(12));
    assert_eq!(by_ids.prompt_tokens, Some(count));
    assert_eq!(by_ids.tokens, by_text.tokens);
}

#[test]
fn a_continuation_of_its_own_tokens_goes_on_as_if_it_had_not_stopped() {
    // What the broker does after it lost a worker: prompt and answer so far are the new prompt.
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let sampling = |max_tokens| Sampling {
        temperature: 0.9,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        seed: 77,
        ..greedy(max_tokens)
    };
    let prompt: Vec<u32> = (10..40).collect();
    let mut tokens = |prompt: Vec<u32>, count| {
        let kind = JobKind::Generate(Box::new(sampling(count)));
        let job = worker.send(kind, &Prompt::Tokens(prompt));
        worker.answers(&[job]).remove(0).tokens
    };
    let whole = tokens(prompt.clone(), 20);
    let first = tokens(prompt.clone(), 8);
    assert_eq!(first, whole[..8]);
    let resumed = tokens(prompt.into_iter().chain(first).collect(), 12);
    let same = resumed.iter().zip(&whole[8..]).filter(|(a, b)| a == b).count();
    // Logits are not bit-equal across batch shapes, so a draw on an edge may fall otherwise.
    assert!(same >= 10, "{resumed:?} after {whole:?}");
}

#[test]
fn a_stop_string_ends_the_text_before_it() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let free = worker.complete(STORY, greedy(40));
    let plain: Vec<char> = free.text.chars().collect();
    assert!(plain.len() > 20, "{:?}", free.text);
    for at in [5, 12] {
        let stop: String = plain[at..at + 3].iter().collect();
        let before = free.text.find(&stop).unwrap();
        let sampling = Sampling { stop: vec!["not in any text".into(), stop], ..greedy(40) };
        let answer = worker.complete(STORY, sampling);
        assert_eq!(answer.reason(), Some(FinishReason::Stop));
        assert_eq!(answer.text, free.text[..before]);
        assert_eq!(answer.tokens[..], free.tokens[..answer.tokens.len()]);
    }
}

#[test]
fn held_text_is_shown_when_the_tokens_run_out() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let free = worker.complete(STORY, greedy(10));
    let tail: String = free.text.chars().rev().take(2).collect();
    let tail: String = tail.chars().rev().collect();
    let sampling = Sampling { stop: vec![format!("{tail} and never this")], ..greedy(10) };
    let answer = worker.complete(STORY, sampling);
    assert_eq!(answer.text, free.text);
    assert_eq!(answer.reason(), Some(FinishReason::Length));
}

#[test]
fn an_end_token_ends_the_answer_unless_it_is_to_be_ignored() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let ends = |end| Sampling { end, ..greedy(200) };
    let on = worker.complete(STORY, ends(EndOfGeneration::IsAToken));
    assert_eq!((on.tokens.len(), on.reason()), (200, Some(FinishReason::Length)));
    let stopped = worker.complete(STORY, ends(EndOfGeneration::Stops));
    // A model may never come to an end within 200 tokens; if it does, nothing of the end is shown.
    let count = stopped.tokens.len();
    assert_eq!(stopped.tokens[..], on.tokens[..count]);
    assert_eq!(stopped.reason() == Some(FinishReason::Stop), count < 200);
    assert!(on.text.starts_with(&stopped.text));
}

#[test]
fn an_answer_ends_where_the_context_does() {
    let (mut worker, ready) = Worker::ready(&model(), |plan| plan.n_ctx = 256);
    assert_eq!(ready.facts.n_ctx, 256);
    let prompt: Vec<u32> = (0..250).map(|i| 10 + i % 50).collect();
    let job = worker.send(JobKind::Generate(Box::new(greedy(100))), &Prompt::Tokens(prompt));
    let answer = worker.answers(&[job]).remove(0);
    assert_eq!((answer.tokens.len(), answer.reason()), (6, Some(FinishReason::Length)));
    // The whole cache was set aside for it, and is free again.
    assert_eq!(worker.complete(STORY, greedy(100)).tokens.len(), 100);
}

#[test]
fn a_long_prompt_goes_through_in_slices() {
    let (mut worker, _) = Worker::ready(&model(), |plan| plan.n_batch = 16);
    let (mut wide, _) = Worker::ready(&model(), |plan| plan.n_batch = 512);
    let prompt = Prompt::Tokens((0..400).map(|i| 10 + i % 90).collect());
    let first = |worker: &mut Worker| {
        let job = worker.send(JobKind::Generate(Box::new(greedy(8))), &prompt);
        worker.answers(&[job]).remove(0)
    };
    let narrow = first(&mut worker);
    assert_eq!(narrow.prompt_tokens, Some(400));
    let ended = narrow.ended.unwrap();
    assert!(ended.prefill_us > 0 && ended.decode_us > 0);
    assert_eq!(narrow.tokens[0], first(&mut wide).tokens[0]);
}
