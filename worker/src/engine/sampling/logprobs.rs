//! What the model itself thought of a token and of its alternatives.
//!
//! The distribution is the model's own: raw logits at temperature 1, before grammar, bias,
//! penalties and filters, so that the number says how well the model agrees with what was chosen,
//! however it was chosen. It is computed only where asked for.

use llama_cpp_2::token::LlamaToken;

/// Natural logarithms of probabilities.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Logprobs {
    /// That of the chosen token.
    pub(crate) chosen: f32,
    /// The likeliest tokens with theirs, likeliest first; as many as were asked for, or as many as
    /// the model allows at all.
    pub(crate) top: Vec<(u32, f32)>,
}

/// The logarithms for `token` and the `count` likeliest of `logits`, which hold no NaN.
pub(super) fn logprobs(logits: &[f32], token: LlamaToken, count: usize) -> Logprobs {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let highest = f64::from(highest);
    let total: f64 = logits.iter().map(|&logit| (f64::from(logit) - highest).exp()).sum();
    let log_total = highest + total.ln();
    let logprob = |logit: f32| narrowed(f64::from(logit) - log_total);
    let chosen = usize::try_from(token.0).ok().and_then(|at| logits.get(at));
    Logprobs {
        chosen: chosen.map_or(f32::MIN, |&logit| logprob(logit)),
        top: likeliest(logits, count).into_iter().map(|(id, l)| (id, logprob(l))).collect(),
    }
}

/// A float is what goes out: its range is far above any difference of two logits.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn narrowed(logprob: f64) -> f32 {
    logprob as f32
}

/// The `count` highest, which are few: each newcomer is put in its place by comparing.
fn likeliest(logits: &[f32], count: usize) -> Vec<(u32, f32)> {
    let mut top: Vec<(u32, f32)> = Vec::with_capacity(count + 1);
    for (id, &logit) in (0..).zip(logits) {
        let is_full = top.len() == count;
        let worse = top.last().is_none_or(|&(_, least)| logit <= least);
        if logit == f32::NEG_INFINITY || count == 0 || (is_full && worse) {
            continue;
        }
        let at = top.partition_point(|&(_, higher)| higher >= logit);
        top.insert(at, (id, logit));
        top.truncate(count);
    }
    top
}
