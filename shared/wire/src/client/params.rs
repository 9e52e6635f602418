//! How tokens are chosen, and the ranges of what may be asked for.

use serde::{Deserialize, Serialize};

use crate::{
    code::{Code, Refusal},
    limits::{
        DEADLINE_MS_MAX, MAX_TOKENS_MAX, STOP_STRING_BYTES_MAX, STOP_STRINGS_MAX, TEMPERATURE_MAX,
        TOP_K_MAX,
    },
};

/// Which queue a request waits in.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Somebody is looking at the screen.
    Interactive,
    /// The default.
    #[default]
    Normal,
    /// May wait for everybody else.
    Batch,
}

/// How tokens are chosen and when to stop. The defaults are those of llama.cpp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Params {
    /// At most so many tokens, 1 to [`MAX_TOKENS_MAX`].
    pub max_tokens: u32,
    /// 0 takes the likeliest token always; up to [`TEMPERATURE_MAX`].
    pub temperature: f32,
    /// Keeps the k likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Keeps the likeliest tokens that reach this probability together, above 0 to 1.
    pub top_p: f32,
    /// Drops tokens less likely than this share of the likeliest, 0 to 1.
    pub min_p: f32,
    /// The same seed gives the same draws (decision D10); without one the broker chooses.
    pub seed: Option<u64>,
    /// Ends before any of these texts would be shown.
    pub stop: Vec<String>,
    /// Goes on after an end-of-generation token as after any other.
    pub ignore_eos: bool,
    /// Which queue to wait in.
    pub priority: Priority,
    /// Gives up after so many milliseconds, 1 to [`DEADLINE_MS_MAX`].
    pub deadline_ms: Option<u32>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            max_tokens: 256,
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            seed: None,
            stop: Vec::new(),
            ignore_eos: false,
            priority: Priority::Normal,
            deadline_ms: None,
        }
    }
}

impl Params {
    /// Checks every range; a NaN or an infinity is in none.
    ///
    /// # Errors
    /// `BAD_PARAMETER`, naming the parameter, its value and its range.
    pub fn check(&self) -> Result<(), Refusal> {
        whole("max_tokens", self.max_tokens, 1, MAX_TOKENS_MAX)?;
        real("temperature", self.temperature, 0.0, TEMPERATURE_MAX)?;
        whole("top_k", self.top_k, 0, TOP_K_MAX)?;
        real("top_p", self.top_p, 0.0, 1.0)?;
        if self.top_p == 0.0 {
            return Err(bad("top_p is 0; above 0 to 1 is allowed".into()));
        }
        real("min_p", self.min_p, 0.0, 1.0)?;
        if let Some(ms) = self.deadline_ms {
            whole("deadline_ms", ms, 1, DEADLINE_MS_MAX)?;
        }
        check_stop(&self.stop)
    }
}

fn check_stop(stop: &[String]) -> Result<(), Refusal> {
    if stop.len() > STOP_STRINGS_MAX {
        let count = stop.len();
        return Err(bad(format!("{count} stop strings; at most {STOP_STRINGS_MAX} are allowed")));
    }
    match stop.iter().find(|s| !(1..=STOP_STRING_BYTES_MAX).contains(&s.len())) {
        Some(s) => Err(bad(format!(
            "a stop string has {} bytes; 1 to {STOP_STRING_BYTES_MAX} are allowed",
            s.len()
        ))),
        None => Ok(()),
    }
}

fn whole(name: &str, value: u32, min: u32, max: u32) -> Result<(), Refusal> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(outside(name, &value, &min, &max)) }
}

fn real(name: &str, value: f32, min: f32, max: f32) -> Result<(), Refusal> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(outside(name, &value, &min, &max)) }
}

fn outside(
    name: &str,
    value: &dyn std::fmt::Display,
    min: &dyn std::fmt::Display,
    max: &dyn std::fmt::Display,
) -> Refusal {
    bad(format!("{name} is {value}; {min} to {max} is allowed"))
}

pub(super) fn bad(message: String) -> Refusal {
    Refusal::new(Code::BadParameter, message)
}
