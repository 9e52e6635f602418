//! Tokenize and detokenize, with weights and without.

use core_wire::{
    client::{Prompt, request::Special},
    code::Code,
    worker::{JobKind, ToBroker, config::Load},
};

use crate::player::{Worker, greedy, model};

fn ids(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks(4).map(|id| u32::from_le_bytes(id.try_into().unwrap())).collect()
}

fn tokenize(worker: &mut Worker, text: &str, special: Special) -> Vec<u32> {
    let prompt = Prompt::Text(text.into());
    ids(&worker.chunks(JobKind::Tokenize(special), &prompt).unwrap())
}

fn detokenize(worker: &mut Worker, ids: Vec<u32>) -> String {
    let bytes = worker.chunks(JobKind::Detokenize, &Prompt::Tokens(ids)).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_text_comes_back_from_its_tokens() {
    for load in [Load::Weights, Load::Vocabulary] {
        let (mut worker, _) = Worker::ready(&model(), |plan| plan.load = load);
        for text in ["Mira gave the red kite to Tom.", "a", "x = 1;\n\n  y", "für €5 😀"] {
            for special in [Special::Plain, Special::Prompt] {
                let tokens = tokenize(&mut worker, text, special);
                assert!(!tokens.is_empty());
                assert_eq!(detokenize(&mut worker, tokens), text);
            }
        }
        assert_eq!(detokenize(&mut worker, Vec::new()), "");
        assert!(tokenize(&mut worker, "", Special::Plain).is_empty());
    }
}

#[test]
fn a_text_of_a_mebibyte_goes_through_both_ways() {
    let (mut worker, _) = Worker::ready(&model(), |plan| plan.load = Load::Vocabulary);
    let text = "Tom has the red kite and Mira has the blue ball. ".repeat(21_000);
    let tokens = tokenize(&mut worker, &text, Special::Plain);
    assert!(tokens.len() > 100_000);
    assert_eq!(detokenize(&mut worker, tokens), text);
}

#[test]
fn a_long_answer_does_not_stop_a_story() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let story = worker.generate("Once", greedy(300));
    let text = Prompt::Text("Tom has the red kite. ".repeat(20_000));
    let long = worker.send(JobKind::Tokenize(Special::Plain), &text);
    let (mut bytes, mut between, mut tokens, mut last) = (0, 0, 0, false);
    while tokens < 300 || !last {
        match worker.hear() {
            ToBroker::Chunk(chunk) => {
                assert_eq!((chunk.job, chunk.offset), (long, bytes));
                bytes += u32::try_from(chunk.bytes.len()).unwrap();
                last = chunk.last;
            }
            ToBroker::Step(step) => {
                assert!(step.tokens.iter().all(|token| token.job == story));
                tokens += step.tokens.len();
                between += usize::from(bytes > 0 && !last);
            }
            ToBroker::Started(_) => {}
            other => panic!("not expected: {other:?}"),
        }
    }
    assert!(between > 0, "tokens came between the chunks");
}

#[test]
fn an_id_outside_the_vocabulary_has_no_text() {
    let (mut worker, ready) = Worker::ready(&model(), |plan| plan.load = Load::Vocabulary);
    let outside = Prompt::Tokens(vec![1, ready.facts.n_vocab]);
    let refused = worker.chunks(JobKind::Detokenize, &outside).unwrap_err();
    assert_eq!(refused.code, Code::BadToken);
}
