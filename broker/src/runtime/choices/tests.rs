use super::*;

fn done(prompt: u32, cached: u32, tokens: u32, decode_ms: f64) -> Done {
    Done {
        finish_reason: None,
        usage: Usage { prompt_tokens: prompt, cached_tokens: cached, completion_tokens: tokens },
        timings: Timings { decode_ms, ..Timings::default() },
    }
}

#[test]
fn a_prompt_counts_once_and_its_tokens_all() {
    let mut sum = Sum::new(3);
    sum.add(1, FinishReason::Stop, &done(9, 9, 5, 3.0));
    sum.add(0, FinishReason::Length, &done(9, 0, 4, 7.0));
    assert_eq!(sum.left.iter().copied().collect::<Vec<_>>(), [2]);
    sum.add(2, FinishReason::Stop, &done(9, 9, 1, 1.0));
    assert!(sum.left.is_empty());
    let all = sum.done();
    assert_eq!(all.finish_reason, Some(FinishReason::Length));
    let usage = Usage { prompt_tokens: 9, cached_tokens: 0, completion_tokens: 10 };
    assert_eq!((all.usage, all.timings.decode_ms), (usage, 7.0));
}

#[test]
fn a_cached_prompt_is_told_as_such() {
    let mut sum = Sum::new(2);
    sum.add(0, FinishReason::Stop, &done(9, 9, 1, 1.0));
    sum.add(1, FinishReason::Stop, &done(9, 9, 1, 1.0));
    assert_eq!(sum.done().usage.cached_tokens, 9);
}

#[test]
fn the_worst_end_is_told() {
    use FinishReason::{Cancelled, Length, Stop};
    for (one, other, told) in [
        (Stop, Stop, Stop),
        (Stop, Length, Length),
        (Length, Cancelled, Cancelled),
        (Cancelled, Stop, Cancelled),
    ] {
        assert_eq!((worse(one, other), worse(other, one)), (told, told));
    }
}
