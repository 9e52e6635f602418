use core_wire::{
    code::Code,
    ids::JobId,
    limits::{ANSWER_BYTES_MAX, FRAGMENT_BYTES_MAX},
};
use llama_cpp_2::token::LlamaToken;

use super::{ANSWERS_MAX, Answers};

/// Takes all chunks out; answers the bytes, and how many chunks they came in.
fn drain(answers: &mut Answers) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut count = 0;
    while let Some(chunk) = answers.next_chunk() {
        assert_eq!(chunk.offset as usize, bytes.len());
        assert!(chunk.bytes.len() <= FRAGMENT_BYTES_MAX);
        bytes.extend_from_slice(&chunk.bytes);
        count += 1;
        answers.advance();
        if chunk.last {
            break;
        }
    }
    (bytes, count)
}

#[test]
fn an_answer_leaves_in_chunks_and_whole() {
    for length in [1, FRAGMENT_BYTES_MAX, FRAGMENT_BYTES_MAX + 1, 3 * FRAGMENT_BYTES_MAX] {
        let sent: Vec<u8> = (0..=250).cycle().take(length).collect();
        let mut answers = Answers::default();
        answers.bytes(JobId(1), sent.clone()).unwrap();
        let (got, count) = drain(&mut answers);
        assert_eq!(got, sent);
        assert_eq!(count, length.div_ceil(FRAGMENT_BYTES_MAX));
        assert!(answers.is_empty());
    }
}

#[test]
fn a_state_leaves_behind_its_tokens_and_is_overwritten_on_its_way() {
    let state: Vec<u8> = (1..=250).cycle().take(2 * FRAGMENT_BYTES_MAX + 9).collect();
    for head in [vec![7; 12], vec![7; FRAGMENT_BYTES_MAX + 5]] {
        let mut answers = Answers::default();
        answers.state(JobId(1), head.clone(), state.clone());
        assert!(answers.has_state());
        let first = answers.next_chunk().unwrap();
        assert_eq!(first.bytes, head[..head.len().min(FRAGMENT_BYTES_MAX)]);
        let (got, _) = drain(&mut answers);
        assert_eq!(got, [head, state.clone()].concat());
        assert!(!answers.has_state());
    }
    let mut answers = Answers::default();
    answers.state(JobId(1), vec![7; 12], state);
    answers.advance();
    answers.advance();
    let answer = &answers.0[0];
    assert!(answer.head.is_empty() || answer.head.iter().all(|&byte| byte == 0));
    assert!(answer.bytes[..FRAGMENT_BYTES_MAX].iter().all(|&byte| byte == 0));
    assert!(answer.bytes[FRAGMENT_BYTES_MAX..].iter().all(|&byte| byte != 0));
}

#[test]
fn an_empty_answer_is_one_empty_chunk() {
    let mut answers = Answers::default();
    answers.bytes(JobId(1), Vec::new()).unwrap();
    assert_eq!(drain(&mut answers), (Vec::new(), 1));
    assert!(answers.is_empty());
}

#[test]
fn tokens_are_little_endian() {
    let mut answers = Answers::default();
    answers.tokens(JobId(1), &[LlamaToken::new(1), LlamaToken::new(0x0102_0304)]).unwrap();
    assert_eq!(drain(&mut answers).0, [1, 0, 0, 0, 4, 3, 2, 1]);
}

#[test]
fn an_answer_over_the_bound_is_refused() {
    let mut answers = Answers::default();
    assert!(answers.bytes(JobId(1), vec![0; ANSWER_BYTES_MAX]).is_ok());
    let refusal = answers.bytes(JobId(2), vec![0; ANSWER_BYTES_MAX + 1]).unwrap_err();
    assert_eq!(refusal.code, Code::PromptTooLong);
    assert!(!answers.remove(JobId(2)));
}

#[test]
fn answers_that_pile_up_are_told() {
    let mut answers = Answers::default();
    for job in 0..ANSWERS_MAX as u64 {
        assert!(!answers.is_full());
        answers.bytes(JobId(job), vec![1]).unwrap();
    }
    assert!(answers.is_full());
    drain(&mut answers);
    assert!(!answers.is_full());
}

#[test]
fn a_removed_answer_leaves_the_others() {
    let mut answers = Answers::default();
    answers.bytes(JobId(1), vec![1]).unwrap();
    answers.bytes(JobId(2), vec![2]).unwrap();
    assert!(answers.remove(JobId(1)) && !answers.remove(JobId(1)));
    assert_eq!(drain(&mut answers).0, [2]);
}
