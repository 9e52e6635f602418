//! The tokens that are still in question, and what is done to them that llama.cpp does not do.

use core_wire::client::params::Xtc;
use llama_cpp_2::{
    sampling::LlamaSampler,
    token::{LlamaToken, data::LlamaTokenData, data_array::LlamaTokenDataArray},
};
use llguidance::toktrie::SimpleVob;

use super::NoChoice;

/// The largest logit either way once penalties are applied. A tiny repeat penalty or a long
/// repetition makes infinities of them, and the difference of two is no number; this leaves a float
/// room for a division by the smallest temperature.
const LOGIT_MAX: f32 = 1e30;

/// Tokens so much below the likeliest have no share that a float can hold: e^-70, divided by the
/// sum over the largest vocabulary, is still a normal number. A share of 0 makes the entropy of
/// llama.cpp's typical filter a NaN, and its choice arbitrary.
const SHARE_NONE: f32 = 70.0;

/// Above this threshold no two tokens can be likely, so XTC leaves nothing out; as in llama.cpp.
const XTC_THRESHOLD_MAX: f32 = 0.5;

/// One buffer for the candidates of all sequences: a vocabulary's worth of entries.
pub(crate) struct Candidates(LlamaTokenDataArray);

impl Candidates {
    /// An empty buffer.
    pub(crate) fn new() -> Self {
        Self(LlamaTokenDataArray::new(Vec::new(), false))
    }

    /// Takes in the tokens of `logits` that `mask` allows, in the order of their ids.
    pub(super) fn fill(&mut self, logits: &[f32], mask: Option<&SimpleVob>) {
        self.0.sorted = false;
        self.0.selected = None;
        self.0.data.clear();
        match mask {
            None => {
                let ids = (0..).map(LlamaToken::new);
                let entries = ids.zip(logits).map(|(id, &l)| LlamaTokenData::new(id, l, 0.0));
                self.0.data.extend(entries);
                // Rare, and asked first: looking costs less than taking each in by itself.
                if logits.contains(&f32::NEG_INFINITY) {
                    self.0.data.retain(|candidate| is_possible(candidate.logit()));
                }
            }
            Some(mask) => mask.iter_set_entries(|at| {
                let logit = logits.get(at).copied().unwrap_or(f32::NEG_INFINITY);
                let id = i32::try_from(at).unwrap_or(i32::MAX);
                if is_possible(logit) {
                    self.0.data.push(LlamaTokenData::new(LlamaToken::new(id), logit, 0.0));
                }
            }),
        }
    }

    /// Adds to the logits of those that are there; to be called before anything sorts.
    pub(super) fn add(&mut self, biases: &[(LlamaToken, f32)]) {
        for &(token, bias) in biases {
            if let Ok(at) = self.0.data.binary_search_by_key(&token.0, |c| c.id().0) {
                let biased = self.0.data[at].logit() + bias;
                self.0.data[at].set_logit(biased);
            }
        }
    }

    /// Applies penalties, and brings what they made back to numbers that can be compared.
    pub(super) fn penalize(&mut self, penalties: &mut LlamaSampler) {
        self.filter(penalties);
        for candidate in &mut self.0.data {
            let logit = candidate.logit();
            let finite = if logit.is_nan() { -LOGIT_MAX } else { logit };
            candidate.set_logit(finite.clamp(-LOGIT_MAX, LOGIT_MAX));
        }
    }

    /// Applies a filter of llama.cpp. Some of them end the process where nothing is left.
    pub(super) fn filter(&mut self, filter: &mut LlamaSampler) {
        if !self.0.data.is_empty() {
            self.0.apply_sampler(filter);
        }
    }

    /// Drops what has no share of the probability.
    pub(super) fn drop_shareless(&mut self) {
        let least = self.highest() - SHARE_NONE;
        self.0.data.retain(|c| c.logit() >= least);
    }

    /// Leaves the likeliest out if `u` says so: all at or above the threshold but the last of them.
    pub(super) fn exclude_top(&mut self, xtc: &Xtc, u: f64) {
        if u >= f64::from(xtc.probability) || xtc.threshold > XTC_THRESHOLD_MAX {
            return;
        }
        self.sort();
        let highest = self.highest();
        let total: f64 = self.0.data.iter().map(|c| weight(c, highest)).sum();
        let least = f64::from(xtc.threshold) * total;
        let likely = self.0.data.iter().take_while(|c| weight(c, highest) >= least).count();
        self.0.data.drain(..likely.saturating_sub(1));
    }

    /// The highest of them, the lowest id where several are equal and nothing has sorted yet.
    pub(super) fn likeliest(&self) -> Result<LlamaToken, NoChoice> {
        let mut best: Option<&LlamaTokenData> = None;
        for candidate in &self.0.data {
            if best.is_none_or(|best| candidate.logit() > best.logit()) {
                best = Some(candidate);
            }
        }
        best.map(LlamaTokenData::id).ok_or(NoChoice::Logits)
    }

    /// The one in whose share of the probability `u` falls.
    pub(super) fn pick(&self, u: f64) -> Result<LlamaToken, NoChoice> {
        let highest = self.highest();
        let total: f64 = self.0.data.iter().map(|c| weight(c, highest)).sum();
        if !total.is_finite() {
            return Err(NoChoice::Logits);
        }
        let mut left = u * total;
        let mut last = Err(NoChoice::Logits);
        for candidate in &self.0.data {
            let share = weight(candidate, highest);
            if share > 0.0 {
                last = Ok(candidate.id());
            }
            left -= share;
            if left < 0.0 {
                return last;
            }
        }
        // Rounding may leave a crumb: then it is the last that has any probability.
        last
    }

    /// Ids and logits of those that are left, by id.
    #[cfg(test)]
    pub(super) fn left(&self) -> Vec<(i32, f32)> {
        let mut left: Vec<_> = self.0.data.iter().map(|c| (c.id().0, c.logit())).collect();
        left.sort_unstable_by_key(|&(id, _)| id);
        left
    }

    /// Whether none is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.data.is_empty()
    }

    fn sort(&mut self) {
        if !self.0.sorted {
            let order = |c: &LlamaTokenData| (c.logit(), c.id().0);
            self.0.data.sort_unstable_by(|a, b| {
                let ((la, ia), (lb, ib)) = (order(a), order(b));
                lb.total_cmp(&la).then(ia.cmp(&ib))
            });
            self.0.sorted = true;
        }
    }

    fn highest(&self) -> f32 {
        self.0.data.iter().map(LlamaTokenData::logit).fold(f32::NEG_INFINITY, f32::max)
    }
}

/// Minus infinity is how the model itself forbids a token.
fn is_possible(logit: f32) -> bool {
    logit > f32::NEG_INFINITY
}

/// A candidate's part of the probability, 1 for the likeliest.
fn weight(candidate: &LlamaTokenData, highest: f32) -> f64 {
    (f64::from(candidate.logit()) - f64::from(highest)).exp()
}
