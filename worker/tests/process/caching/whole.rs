//! A model whose cache cannot go back: only what is continued whole is found again.

use std::path::{Path, PathBuf};

use core_wire::code::Code;

use super::{A, B, ask, cached, prompt, publish, restore, save};
use crate::player::{Worker, shipped};

/// The model that ships, saying that its attention has a window, for which the worker looks. The
/// engine makes no window for this architecture, so its answers are those of the model that ships.
fn windowed(test: &str) -> PathBuf {
    let mut file = std::fs::read(shipped()).unwrap();
    let entry = |key: &str, kind: u32, value: &[u8]| {
        let length = u64::try_from(key.len()).unwrap().to_le_bytes();
        [&length[..], key.as_bytes(), &kind.to_le_bytes(), value].concat()
    };
    let window = entry("llama.attention.sliding_window", 4, &128_u32.to_le_bytes());
    // Both together are a multiple of 32 bytes, so that the tensors stay aligned.
    let filling = entry("test.filling", 8, &[&18_u64.to_le_bytes()[..], &[b'x'; 18]].concat());
    assert_eq!((window.len() + filling.len()) % 32, 0);
    // Behind the magic, the version and the number of tensors stands the number of entries.
    let count = u64::from_le_bytes(file[16..24].try_into().unwrap()) + 2;
    file.splice(16..24, [&count.to_le_bytes()[..], &window, &filling].concat());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.gguf"));
    std::fs::write(&path, file).unwrap();
    path
}

fn worker(test: &str) -> Worker {
    Worker::ready(&windowed(test), |plan| plan.idle_cells_max = 200).0
}

#[test]
fn only_a_whole_context_is_continued() {
    let mut worker = worker("whole");
    let said = prompt(0, 60);
    let answer = ask(&mut worker, A, &said, 8);
    let next = [&said[..], &answer.tokens, &prompt(3, 5)].concat();
    assert_eq!(cached(&mut worker, B, &next), 0);
    let warm = ask(&mut worker, A, &next, 8);
    assert_eq!(warm.cached_tokens, 67, "all but the last token, which was not computed");
    assert_eq!(warm.tokens, ask(&mut worker, None, &next, 8).tokens);
    assert_eq!(cached(&mut worker, A, &next[..70]), 0, "it went on, and cannot go back");
    assert_eq!(cached(&mut worker, A, &prompt(1, 250)), 0);
    assert_eq!(cached(&mut worker, A, &[&prompt(1, 250)[..], &[11]].concat()), 0, "too long");
}

#[test]
fn a_cache_that_cannot_be_shared_publishes_nothing() {
    let mut worker = worker("whole-publish");
    let refused = publish(&mut worker, &prompt(0, 20)).unwrap_err();
    assert_eq!(refused.code, Code::BadParameter);
}

#[test]
fn a_whole_context_is_saved_and_restored() {
    let mut worker = worker("whole-save");
    let said = prompt(0, 60);
    cached(&mut worker, A, &said);
    let bytes = save(&mut worker, A).unwrap();
    assert_eq!(restore(&mut worker, B, &bytes).unwrap(), 60);
    assert_eq!(cached(&mut worker, B, &[&said[..], &[11]].concat()), 60);
}
