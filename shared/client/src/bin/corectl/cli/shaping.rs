//! What shapes the choice of a token beyond the usual flags.

use clap::Args;
use core_client::{Dry, Filters, Params, Penalties, Xtc};

/// Heading of the filters that are off by default.
const FILTERS: &str = "Further filters";
/// Heading of the penalties.
const REPETITION: &str = "Against repetition";
/// Heading of what names single tokens.
const TOKENS: &str = "Single tokens";

/// Filters and penalties. Ranges are the broker's to check: it names value and limit.
#[derive(Args, Debug)]
pub(super) struct ShapingArgs {
    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    penalties: PenaltyArgs,
    #[command(flatten)]
    dry: DryArgs,
    /// Add BIAS to the logit of the token ID; may be given several times
    #[arg(long, value_name = "ID=BIAS", value_parser = bias, help_heading = TOKENS)]
    logit_bias: Vec<(u32, f32)>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = FILTERS)]
struct FilterArgs {
    /// Keep the tokens nearest to the expected surprise, up to this probability [default: 1, off]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    typical: Option<f32>,
    /// Keep the tokens within so many standard deviations of the likeliest [default: 0, off]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    top_n_sigma: Option<f32>,
    /// How often to leave out all likely tokens but the last [default: 0, off]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    xtc_probability: Option<f32>,
    /// What counts as likely for that [default: 0.1]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    xtc_threshold: Option<f32>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = REPETITION)]
struct PenaltyArgs {
    /// Divide the logit of a token that occurred [default: 1, off]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    repeat_penalty: Option<f32>,
    /// Look so many tokens back, prompt included [default: 64]
    #[arg(long, value_name = "N")]
    repeat_last_n: Option<u32>,
    /// Subtract this for each occurrence [default: 0, off]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    frequency_penalty: Option<f32>,
    /// Subtract this for any occurrence [default: 0, off]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    presence_penalty: Option<f32>,
}

/// Don't repeat yourself: against repeating sequences.
#[derive(Args, Debug)]
#[command(next_help_heading = REPETITION)]
struct DryArgs {
    /// DRY: how much a token loses that would continue a repeated sequence [default: 0, off]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    dry_multiplier: Option<f32>,
    /// DRY: how fast that grows with the length of the sequence [default: 1.75]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    dry_base: Option<f32>,
    /// DRY: sequences up to so many tokens may repeat [default: 2]
    #[arg(long, value_name = "N")]
    dry_allowed_length: Option<u32>,
    /// DRY: look so many tokens back [default: 1024]
    #[arg(long, value_name = "N")]
    dry_last_n: Option<u32>,
    /// DRY: a text that interrupts a sequence; may be given several times, instead of the usual
    /// newline, colon, quotation mark and asterisk
    #[arg(long, value_name = "S", allow_hyphen_values = true)]
    dry_breaker: Vec<String>,
}

impl ShapingArgs {
    /// Puts what was typed into `params`.
    pub(super) fn shape(&mut self, params: &mut Params) {
        params.filters = self.filters.filters();
        params.penalties = self.penalties.penalties(self.dry.dry());
        params.logit_bias = std::mem::take(&mut self.logit_bias);
    }
}

impl FilterArgs {
    fn filters(&self) -> Filters {
        let defaults = Filters::default();
        let xtc = Xtc {
            probability: self.xtc_probability.unwrap_or(defaults.xtc.probability),
            threshold: self.xtc_threshold.unwrap_or(defaults.xtc.threshold),
        };
        Filters {
            typical_p: self.typical.unwrap_or(defaults.typical_p),
            top_n_sigma: self.top_n_sigma.unwrap_or(defaults.top_n_sigma),
            xtc,
        }
    }
}

impl PenaltyArgs {
    fn penalties(&self, dry: Dry) -> Penalties {
        let defaults = Penalties::default();
        Penalties {
            last_n: self.repeat_last_n.unwrap_or(defaults.last_n),
            repeat: self.repeat_penalty.unwrap_or(defaults.repeat),
            frequency: self.frequency_penalty.unwrap_or(defaults.frequency),
            presence: self.presence_penalty.unwrap_or(defaults.presence),
            dry,
        }
    }
}

impl DryArgs {
    fn dry(&mut self) -> Dry {
        let defaults = Dry::default();
        let breakers = std::mem::take(&mut self.dry_breaker);
        Dry {
            multiplier: self.dry_multiplier.unwrap_or(defaults.multiplier),
            base: self.dry_base.unwrap_or(defaults.base),
            allowed_length: self.dry_allowed_length.unwrap_or(defaults.allowed_length),
            last_n: self.dry_last_n.unwrap_or(defaults.last_n),
            breakers: if breakers.is_empty() { defaults.breakers } else { breakers },
        }
    }
}

/// A token and its bias, as `17=-2.5`.
fn bias(text: &str) -> Result<(u32, f32), String> {
    let parsed = text.split_once('=').and_then(|(id, bias)| {
        let id = id.trim().parse().ok()?;
        Some((id, bias.trim().parse().ok()?))
    });
    parsed.ok_or_else(|| "a token id, `=` and a number, as in 17=-2.5".into())
}
