//! The usual flags of `run` and `chat`, which `--help` shows first.

use clap::{Args, ValueEnum};
use core_client::{Params, Priority};

/// How tokens are chosen. Ranges are the broker's to check: it names value and limit.
#[derive(Args, Debug)]
pub(super) struct SamplingArgs {
    /// At most so many tokens [default: 256]
    #[arg(short = 'n', long = "max-tokens", value_name = "N")]
    max_tokens: Option<u32>,
    /// Temperature; 0 always takes the likeliest token [default: 0.8]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    temp: Option<f32>,
    /// Keep the N likeliest tokens; 0 keeps all [default: 40]
    #[arg(long, value_name = "N")]
    top_k: Option<u32>,
    /// Keep the likeliest tokens that reach this probability together [default: 0.95]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    top_p: Option<f32>,
    /// Drop tokens less likely than this share of the likeliest [default: 0.05]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    min_p: Option<f32>,
    /// The same seed gives the same text
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// End before this text would be shown; may be given several times
    #[arg(long, value_name = "S", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// Which queue to wait in [default: normal]
    #[arg(long, value_enum)]
    priority: Option<PriorityArg>,
    /// Give up after so many milliseconds
    #[arg(long, value_name = "MS")]
    deadline_ms: Option<u32>,
    /// Go on after an end-of-text token
    #[arg(long)]
    ignore_eos: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PriorityArg {
    Interactive,
    Normal,
    Batch,
}

impl SamplingArgs {
    /// What was typed, beside the defaults.
    pub(super) fn params(&mut self) -> Params {
        let defaults = Params::default();
        Params {
            max_tokens: self.max_tokens.unwrap_or(defaults.max_tokens),
            temperature: self.temp.unwrap_or(defaults.temperature),
            top_k: self.top_k.unwrap_or(defaults.top_k),
            top_p: self.top_p.unwrap_or(defaults.top_p),
            min_p: self.min_p.unwrap_or(defaults.min_p),
            seed: self.seed,
            stop: std::mem::take(&mut self.stop),
            ignore_eos: self.ignore_eos,
            priority: self.priority.map_or(defaults.priority, Priority::from),
            deadline_ms: self.deadline_ms,
            ..defaults
        }
    }
}

impl From<PriorityArg> for Priority {
    fn from(argument: PriorityArg) -> Self {
        match argument {
            PriorityArg::Interactive => Self::Interactive,
            PriorityArg::Normal => Self::Normal,
            PriorityArg::Batch => Self::Batch,
        }
    }
}
