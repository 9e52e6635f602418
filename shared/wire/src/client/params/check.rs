//! The ranges, each with a sentence that names the value and what is allowed.

use std::fmt::Display;

use super::{Dry, Filters, Grammar, Params, Penalties};
use crate::{
    code::{Code, Refusal},
    limits::{
        CHOICES_MAX, COUNT_PENALTY_MAX, DEADLINE_MS_MAX, DRY_BASE_MAX, DRY_BREAKERS_MAX,
        DRY_MULTIPLIER_MAX, GRAMMAR_BYTES_MAX, LOGIT_BIAS_MAX, LOGIT_BIAS_RANGE, LOGPROBS_MAX,
        MAX_TOKENS_MAX, PENALTY_LAST_N_MAX, REPEAT_PENALTY_MAX, STOP_STRING_BYTES_MAX,
        STOP_STRINGS_MAX, TEMPERATURE_MAX, TOP_K_MAX, TOP_N_SIGMA_MAX, VOCABULARY_MAX,
    },
};

pub(super) fn params(params: &Params) -> Result<(), Refusal> {
    whole("max_tokens", params.max_tokens, 1, MAX_TOKENS_MAX)?;
    real("temperature", params.temperature, 0.0, TEMPERATURE_MAX)?;
    whole("top_k", params.top_k, 0, TOP_K_MAX)?;
    share("top_p", params.top_p)?;
    real("min_p", params.min_p, 0.0, 1.0)?;
    if let Some(ms) = params.deadline_ms {
        whole("deadline_ms", ms, 1, DEADLINE_MS_MAX)?;
    }
    whole("n", params.n, 1, CHOICES_MAX)?;
    if let Some(count) = params.logprobs {
        whole("logprobs", count, 0, LOGPROBS_MAX)?;
    }
    texts("stop string", &params.stop, STOP_STRINGS_MAX)?;
    filters(&params.filters)?;
    penalties(&params.penalties)?;
    logit_bias(&params.logit_bias)?;
    params.grammar.as_ref().map_or(Ok(()), grammar)
}

fn filters(filters: &Filters) -> Result<(), Refusal> {
    share("typical_p", filters.typical_p)?;
    real("top_n_sigma", filters.top_n_sigma, 0.0, TOP_N_SIGMA_MAX)?;
    real("xtc_probability", filters.xtc.probability, 0.0, 1.0)?;
    real("xtc_threshold", filters.xtc.threshold, 0.0, 1.0)
}

fn penalties(penalties: &Penalties) -> Result<(), Refusal> {
    whole("repeat_last_n", penalties.last_n, 0, PENALTY_LAST_N_MAX)?;
    above_zero("repeat_penalty", penalties.repeat, REPEAT_PENALTY_MAX)?;
    real("frequency_penalty", penalties.frequency, -COUNT_PENALTY_MAX, COUNT_PENALTY_MAX)?;
    real("presence_penalty", penalties.presence, -COUNT_PENALTY_MAX, COUNT_PENALTY_MAX)?;
    dry(&penalties.dry)
}

fn dry(dry: &Dry) -> Result<(), Refusal> {
    real("dry_multiplier", dry.multiplier, 0.0, DRY_MULTIPLIER_MAX)?;
    real("dry_base", dry.base, 1.0, DRY_BASE_MAX)?;
    whole("dry_allowed_length", dry.allowed_length, 1, PENALTY_LAST_N_MAX)?;
    whole("dry_last_n", dry.last_n, 0, PENALTY_LAST_N_MAX)?;
    texts("DRY breaker", &dry.breakers, DRY_BREAKERS_MAX)?;
    // It goes to C as a string that ends there.
    match dry.breakers.iter().any(|breaker| breaker.contains('\0')) {
        true => Err(bad("a DRY breaker holds a NUL byte; all others are allowed".to_owned())),
        false => Ok(()),
    }
}

fn logit_bias(biases: &[(u32, f32)]) -> Result<(), Refusal> {
    let count = biases.len();
    if count > LOGIT_BIAS_MAX {
        return Err(bad(format!("{count} logit biases; at most {LOGIT_BIAS_MAX} are allowed")));
    }
    for &(token, bias) in biases {
        // The vocabulary itself is known later; no vocabulary has more than this.
        whole("a token of logit_bias", token, 0, VOCABULARY_MAX - 1)?;
        real("a logit bias", bias, -LOGIT_BIAS_RANGE, LOGIT_BIAS_RANGE)?;
    }
    Ok(())
}

fn grammar(grammar: &Grammar) -> Result<(), Refusal> {
    match grammar.source().len() {
        1..=GRAMMAR_BYTES_MAX => Ok(()),
        bytes => {
            let message =
                format!("the grammar has {bytes} bytes; 1 to {GRAMMAR_BYTES_MAX} are allowed");
            Err(Refusal::new(Code::BadGrammar, message))
        }
    }
}

fn texts(name: &str, texts: &[String], count_max: usize) -> Result<(), Refusal> {
    if texts.len() > count_max {
        let count = texts.len();
        return Err(bad(format!("{count} {name}s; at most {count_max} are allowed")));
    }
    match texts.iter().find(|text| !(1..=STOP_STRING_BYTES_MAX).contains(&text.len())) {
        Some(text) => {
            let bytes = text.len();
            Err(bad(format!(
                "a {name} has {bytes} bytes; 1 to {STOP_STRING_BYTES_MAX} are allowed"
            )))
        }
        None => Ok(()),
    }
}

/// A share of a probability that must leave something.
fn share(name: &str, value: f32) -> Result<(), Refusal> {
    above_zero(name, value, 1.0)
}

fn above_zero(name: &str, value: f32, max: f32) -> Result<(), Refusal> {
    let allowed = value > 0.0 && value <= max;
    if allowed { Ok(()) } else { Err(outside(name, &value, &"above 0", &max)) }
}

fn whole(name: &str, value: u32, min: u32, max: u32) -> Result<(), Refusal> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(outside(name, &value, &min, &max)) }
}

fn real(name: &str, value: f32, min: f32, max: f32) -> Result<(), Refusal> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(outside(name, &value, &min, &max)) }
}

fn outside(name: &str, value: &dyn Display, min: &dyn Display, max: &dyn Display) -> Refusal {
    bad(format!("{name} is {value}; {min} to {max} is allowed"))
}

pub(in crate::client) fn bad(message: String) -> Refusal {
    Refusal::new(Code::BadParameter, message)
}
