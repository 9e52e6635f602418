//! Embeddings by the real engine under the last filter.

use core_wire::{
    client::Prompt,
    code::Code,
    worker::{JobKind, ToBroker},
};

use crate::player::{Worker, greedy, model};

fn embedding(worker: &mut Worker, text: &str) -> Vec<f32> {
    let bytes = worker.chunks(JobKind::Embed, &Prompt::Text(text.into())).unwrap();
    bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
}

fn likeness(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn texts_that_say_the_same_are_alike() {
    let (mut worker, ready) = Worker::ready(&model(), |_| {});
    let kite = embedding(&mut worker, "Mira gave the red kite to Tom.");
    assert_eq!(kite.len(), ready.facts.n_embd as usize);
    assert!((likeness(&kite, &kite) - 1.0).abs() < 1e-4, "of length 1");
    let same = embedding(&mut worker, "Mira gave the red kite to Tom.");
    assert_eq!(kite, same, "and the text before it left nothing behind");
    let near = embedding(&mut worker, "Mira gave the blue kite to Tom.");
    let far = embedding(&mut worker, "Once upon a time there was a bear who slept.");
    assert!(likeness(&kite, &near) > likeness(&kite, &far));
}

#[test]
fn a_text_is_embedded_while_others_are_answered() {
    let (mut worker, _) = Worker::ready(&model(), |_| {});
    let text = "Mira gave the red kite to Tom. ".repeat(40);
    let alone = embedding(&mut worker, &text);
    let running = worker.generate("Once", greedy(400));
    let job = worker.send(JobKind::Embed, &Prompt::Text(text));
    let (mut bytes, mut steps, mut done) = (Vec::new(), 0, false);
    while !done {
        match worker.hear() {
            ToBroker::Chunk(chunk) => {
                assert_eq!(chunk.job, job);
                bytes.extend(chunk.bytes);
                done = chunk.last;
            }
            ToBroker::Step(step) => {
                assert!(step.ended.iter().all(|ended| ended.job != running), "beside it");
                steps += 1;
            }
            ToBroker::Started(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(steps > 3, "{steps} steps meanwhile");
    let beside: Vec<f32> =
        bytes.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
    assert!(likeness(&alone, &beside) > 0.999, "cut into other slices");
}

#[test]
fn a_text_that_is_too_long_is_refused_by_its_numbers() {
    let (mut worker, _) = Worker::ready(&model(), |plan| plan.n_ctx = 256);
    let long = Prompt::Tokens(vec![11; 300]);
    let refused = worker.chunks(JobKind::Embed, &long).unwrap_err();
    assert_eq!(refused.code, Code::PromptTooLong);
    assert!(refused.message.contains("300") && refused.message.contains("256"));
}
