//! What a worker does not do, and that it goes on afterwards.

use core_wire::{
    client::{Prompt, request::ChatMessage},
    code::Code,
    worker::{JobKind, config::Load},
};

use crate::player::{Worker, greedy, model};

fn refusal(worker: &mut Worker, prompt: &Prompt) -> (Code, String) {
    let job = worker.send(JobKind::Generate(Box::new(greedy(4))), prompt);
    let answer = worker.answers(&[job]).remove(0);
    let refused = answer.refused.expect("it is refused");
    assert!(answer.tokens.is_empty());
    (refused.code, refused.message)
}

#[test]
fn a_prompt_that_leaves_no_room_is_refused_with_both_numbers() {
    let (mut worker, _) = Worker::ready(&model(), |plan| plan.n_ctx = 256);
    for length in [256, 300, 5000] {
        let prompt = Prompt::Tokens(vec![11; length]);
        let (code, message) = refusal(&mut worker, &prompt);
        assert_eq!(code, Code::PromptTooLong);
        assert!(message.contains(&length.to_string()) && message.contains("256"), "{message}");
    }
    let job = worker.send(JobKind::Generate(Box::new(greedy(4))), &Prompt::Tokens(vec![11; 255]));
    assert_eq!(worker.answers(&[job])[0].tokens.len(), 1);
}

#[test]
fn a_token_outside_the_vocabulary_is_refused() {
    let (mut worker, ready) = Worker::ready(&model(), |_| {});
    for id in [ready.facts.n_vocab, u32::MAX, 1 << 31] {
        let (code, message) = refusal(&mut worker, &Prompt::Tokens(vec![10, id]));
        assert_eq!(code, Code::BadToken);
        assert!(message.contains(&id.to_string()), "{message}");
    }
    let last = Prompt::Tokens(vec![ready.facts.n_vocab - 1]);
    let job = worker.send(JobKind::Generate(Box::new(greedy(2))), &last);
    assert_eq!(worker.answers(&[job])[0].tokens.len(), 2);
}

#[test]
fn a_prompt_without_tokens_is_refused() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let (code, _) = refusal(&mut worker, &Prompt::Tokens(Vec::new()));
    assert_eq!(code, Code::BadParameter);
}

#[test]
fn a_vocabulary_continues_nothing() {
    let (mut worker, _) = Worker::ready(&model(), |plan| plan.load = Load::Vocabulary);
    let job = worker.generate("Once", greedy(4));
    let answer = worker.answers(&[job]).remove(0);
    assert!(answer.refused.is_some());
}

#[test]
fn a_chat_is_rendered_and_answered() {
    let (mut worker, ready) = Worker::ready(&model(), |_| {});
    assert!(ready.facts.chat_template, "the model that ships has one");
    let say =
        |role: &str, content: &str| ChatMessage { role: role.into(), content: content.into() };
    let chat = Prompt::Chat(vec![say("user", "Where is the ball?")]);
    let job = worker.send(JobKind::Generate(Box::new(greedy(8))), &chat);
    let answer = worker.answers(&[job]).remove(0);
    assert_eq!(answer.tokens.len(), 8, "{:?}", answer.refused);
    let plain = worker.complete("Where is the ball?", greedy(8));
    assert!(answer.prompt_tokens > plain.prompt_tokens, "the template adds markers");
}
