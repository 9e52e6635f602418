use core_wire::{
    client::{Priority, event::FinishReason},
    ids::JobId,
    limits::STEP_TEXT_BYTES_MAX,
    worker::{Sampling, job::EndOfGeneration},
};
use llama_cpp_2::token::LlamaToken;

use super::{Aim, Chosen, Outcome, Prepared, Sequence};
use crate::{
    context::{
        cache::{Cache, Limits},
        pool::Sharing,
        tokens::Tokens,
    },
    engine::{
        batch::Want,
        grammar::Standing,
        sampling::{Logprobs, Sampler},
    },
};

const EOG: i32 = 2;

fn sequence(prompt: i32, max_tokens: u32, stop: &[&str], end: EndOfGeneration) -> Sequence {
    let tokens: Vec<LlamaToken> = (0..prompt).map(LlamaToken::new).collect();
    let limits = Limits { n_ctx: 10, idle: 0, sequences: 1, sharing: Sharing::Parts };
    let prepared = Prepared {
        job: JobId(1),
        class: Priority::Normal,
        reuse: None,
        domain: None,
        aim: Aim::Answer,
        tokens: Tokens::from(tokens),
        prompt: usize::try_from(prompt).unwrap(),
        sampling: Sampling {
            max_tokens,
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            seed: 0,
            stop: stop.iter().map(|&s| s.to_owned()).collect(),
            end,
            ..Sampling::default()
        },
        sampler: Sampler::default(),
    };
    let begun = Cache::new(limits).begin(&prepared.ask(), &[]).unwrap();
    Sequence::new(prepared, begun, 10)
}

fn advance(sequence: &mut Sequence, token: i32, piece: &str) -> Outcome {
    sequence.advance(&chosen(token, piece.as_bytes())).unwrap()
}

fn chosen(token: i32, piece: &[u8]) -> Chosen<'_> {
    Chosen {
        token: LlamaToken::new(token),
        piece,
        ends: token == EOG,
        standing: Standing::Open,
        logprobs: None,
    }
}

/// Token id, text and reason of an outcome.
fn seen(outcome: Outcome) -> (Option<(u32, String)>, Option<FinishReason>) {
    (outcome.token.map(|t| (t.token, t.text)), outcome.finish)
}

#[test]
fn a_prompt_is_fed_in_slices_and_then_one_token_at_a_time() {
    let mut sequence = sequence(5, 9, &[], EndOfGeneration::Stops);
    assert_eq!(sequence.want(), Want::Prefill(5));
    assert_eq!(sequence.feed(2), (&[LlamaToken::new(0), LlamaToken::new(1)][..], 0));
    assert!(!sequence.is_whole_after(2));
    sequence.fed(2);
    assert_eq!(sequence.feed(9).0.len(), 3, "never more than there is");
    assert!(sequence.is_whole_after(3));
    sequence.fed(3);
    assert_eq!(sequence.length(), 5, "the position of the first chosen token");
    advance(&mut sequence, 7, "x");
    assert_eq!(sequence.want(), Want::Decode);
    assert_eq!(sequence.feed(1), (&[LlamaToken::new(7)][..], 5));
    assert!(sequence.is_whole_after(1) && !sequence.is_whole_after(0));
    assert!(sequence.feed(0).0.is_empty());
    sequence.fed(1);
    assert!(sequence.is_computed(), "an end token is never computed itself");
}

#[test]
fn only_what_was_computed_stays() {
    let mut sequence = sequence(5, 9, &[], EndOfGeneration::Stops);
    sequence.fed(3);
    assert_eq!(sequence.live().tokens.len(), 3);
    sequence.fed(2);
    advance(&mut sequence, 7, "x");
    sequence.fed(1);
    advance(&mut sequence, 8, "y");
    let left = sequence.leave(None);
    let tokens: Vec<i32> = left.tokens.iter().map(|token| token.0).collect();
    assert_eq!(tokens, [0, 1, 2, 3, 4, 7], "the last was chosen and not computed");
    assert_eq!(left.cells.count(), 6);
}

#[test]
fn it_ends_at_the_asked_number_of_tokens() {
    let mut sequence = sequence(1, 2, &[], EndOfGeneration::Stops);
    assert_eq!(seen(advance(&mut sequence, 7, "a")), (Some((7, "a".into())), None));
    let last = seen(advance(&mut sequence, 8, "b"));
    assert_eq!(last, (Some((8, "b".into())), Some(FinishReason::Length)));
}

#[test]
fn it_ends_when_the_context_is_full() {
    let mut sequence = sequence(8, 99, &[], EndOfGeneration::Stops);
    assert_eq!(advance(&mut sequence, 7, "a").finish, None);
    assert_eq!(advance(&mut sequence, 7, "a").finish, Some(FinishReason::Length));
    assert_eq!(sequence.length(), 10);
}

#[test]
fn an_end_token_ends_it_and_is_not_shown() {
    let mut sequence = sequence(1, 9, &[], EndOfGeneration::Stops);
    advance(&mut sequence, 7, "a");
    assert_eq!(seen(advance(&mut sequence, EOG, "")), (None, Some(FinishReason::Stop)));
}

#[test]
fn an_end_token_carries_text_that_was_held_back() {
    let mut sequence = sequence(1, 9, &["abc"], EndOfGeneration::Stops);
    assert_eq!(seen(advance(&mut sequence, 7, "xab")), (Some((7, "x".into())), None));
    let last = seen(advance(&mut sequence, EOG, ""));
    assert_eq!(last, (Some((2, "ab".into())), Some(FinishReason::Stop)));
}

#[test]
fn an_end_token_is_a_token_like_any_other_if_asked() {
    let mut sequence = sequence(1, 2, &[], EndOfGeneration::IsAToken);
    assert_eq!(seen(advance(&mut sequence, EOG, "")), (Some((2, String::new())), None));
    assert_eq!(advance(&mut sequence, EOG, "").finish, Some(FinishReason::Length));
}

#[test]
fn a_stop_string_ends_it_before_the_bound_does() {
    let mut sequence = sequence(1, 2, &["!"], EndOfGeneration::Stops);
    advance(&mut sequence, 7, "a");
    let last = seen(advance(&mut sequence, 8, "b!c"));
    assert_eq!(last, (Some((8, "b".into())), Some(FinishReason::Stop)));
}

#[test]
fn the_last_token_takes_what_is_held_with_it() {
    let mut held = sequence(1, 1, &["abc"], EndOfGeneration::Stops);
    let last = seen(advance(&mut held, 7, "ab"));
    assert_eq!(last, (Some((7, "ab".into())), Some(FinishReason::Length)));
    let mut open = sequence(1, 1, &[], EndOfGeneration::Stops);
    let chosen = chosen(7, &"é".as_bytes()[..1]);
    let token = open.advance(&chosen).unwrap().token.unwrap();
    assert_eq!(token.text, "\u{fffd}");
}

#[test]
fn a_token_with_too_much_text_is_an_error() {
    let mut sequence = sequence(1, 9, &[], EndOfGeneration::Stops);
    let piece = vec![b'x'; STEP_TEXT_BYTES_MAX + 1];
    let chosen = chosen(7, &piece);
    assert_eq!(sequence.advance(&chosen), Err(STEP_TEXT_BYTES_MAX + 1));
}

#[test]
fn the_clock_runs_from_the_start_to_the_first_token_and_from_there() {
    let mut sequence = sequence(1, 9, &[], EndOfGeneration::Stops);
    let early = sequence.ended(FinishReason::Cancelled);
    assert_eq!(early.decode_us, 0, "nothing was decoded");
    advance(&mut sequence, 7, "a");
    std::thread::sleep(std::time::Duration::from_millis(2));
    let late = sequence.ended(FinishReason::Stop);
    assert!(late.decode_us >= 2000);
}

#[test]
fn the_end_of_a_grammar_ends_it_whatever_was_asked() {
    let stands = |token, piece, standing| Chosen { standing, ..chosen(token, piece) };
    let mut last = sequence(1, 1, &["abc"], EndOfGeneration::IsAToken);
    let outcome = last.advance(&stands(7, b"ab", Standing::Complete)).unwrap();
    assert_eq!(seen(outcome), (Some((7, "ab".into())), Some(FinishReason::Stop)));
    let mut over = sequence(1, 9, &[], EndOfGeneration::IsAToken);
    let outcome = over.advance(&stands(EOG, b"", Standing::Ended)).unwrap();
    assert_eq!(seen(outcome), (None, Some(FinishReason::Stop)));
}

#[test]
fn a_probability_goes_out_with_its_token() {
    let told = Logprobs { chosen: -0.5, top: vec![(7, -0.5), (3, -1.0)] };
    let chosen = Chosen { logprobs: Some(told), ..chosen(7, b"a") };
    let token = sequence(1, 9, &[], EndOfGeneration::Stops).advance(&chosen).unwrap().token;
    let token = token.unwrap();
    assert_eq!((token.logprob, token.top), (Some(-0.5), vec![(7, -0.5), (3, -1.0)]));
}
