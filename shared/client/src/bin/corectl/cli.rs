//! What can be typed.

mod answer;
mod sampling;
mod shaping;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use core_client::{Cache, Params};

use self::{answer::AnswerArgs, sampling::SamplingArgs, shaping::ShapingArgs};
use crate::failure::Failure;

/// Heading of the flags that every command has, so that they do not mix with a command's own.
const BROKER: &str = "Which broker, and how to answer";

/// Heading of the flags of `run` that change what is told, not what is said.
const MORE: &str = "More of the answer";

/// Heading of the flags about what was computed before.
const CONTEXTS: &str = "What was computed before";

/// Runs prompts on a core-runtime broker, and watches and steers it.
///
/// Exit codes: 0 done, 1 the request was refused or failed, 2 cancelled, 64 usage, 69 no broker,
/// 77 not authenticated.
#[derive(Debug, Parser)]
#[command(name = "corectl", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// The broker's socket
    #[arg(long, env = "CORE_SOCKET", value_name = "PATH", global = true, help_heading = BROKER)]
    pub(crate) socket: Option<PathBuf>,
    /// The token that the broker was started with; a file of mode 0600
    #[arg(long, env = "CORE_TOKEN_FILE", value_name = "FILE", global = true, help_heading = BROKER)]
    pub(crate) token_file: Option<PathBuf>,
    /// Print one JSON object per line
    #[arg(long, global = true, help_heading = BROKER)]
    pub(crate) json: bool,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Continue a prompt and stream the text; Ctrl-C cancels
    Run(RunArgs),
    /// Go on with a run that was detached; Ctrl-C cancels
    Attach(AttachArgs),
    /// Talk to a model, with its own chat template
    Chat(ChatArgs),
    /// Show the tokens of a text
    Tokenize(TokenizeArgs),
    /// Show the text of tokens
    Detokenize(DetokenizeArgs),
    /// Show the embedding of a text
    Embed(EmbedArgs),
    /// Load a model now, so that the first request need not wait
    Load(ModelArgs),
    /// End a model's worker once its requests are done
    Unload(ModelArgs),
    /// Serve a model from another file; what runs ends on the old one
    Swap(SwapArgs),
    /// Compute a text once, so that every session may start from it; not for secrets
    Publish(PublishArgs),
    /// Forget all published texts of a model
    Withdraw(ModelArgs),
    /// List the models
    Models,
    /// Show the broker, its workers, its models and its queue
    Status,
    /// Watch the broker, its workers, its models and its queue; q leaves
    Top,
    /// Print the broker's numbers as OpenMetrics text
    Metrics,
    /// Show what protects each process; exit 1 when anything required is missing
    Audit,
    /// Let running requests finish and take no new ones
    Drain,
    /// Drain, then end the broker
    Shutdown,
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// The model's id, as `corectl models` lists it
    pub(crate) model: String,
    /// The text to continue; read from standard input when absent, without its last newline
    #[arg(conflicts_with = "tokens")]
    pub(crate) prompt: Option<String>,
    /// Continue these token ids instead of a text
    #[arg(long, value_delimiter = ',', value_name = "IDS")]
    pub(crate) tokens: Option<Vec<u32>>,
    /// Completions of the same prompt [default: 1]
    #[arg(long = "n", value_name = "N", help_heading = MORE)]
    n: Option<u32>,
    /// Tell each token's log probability, and those of the N likeliest in its place
    #[arg(long, value_name = "N", help_heading = MORE)]
    logprobs: Option<u32>,
    /// Start from the context that was saved under this name
    #[arg(long, value_name = "NAME", help_heading = CONTEXTS)]
    pub(crate) restore: Option<String>,
    /// Save prompt and answer under this name, for a later --restore
    #[arg(long, value_name = "NAME", help_heading = CONTEXTS)]
    pub(crate) save: Option<String>,
    /// Leave it running after its first token, and print the ticket for `corectl attach`
    #[arg(long, help_heading = MORE)]
    pub(crate) detach: bool,
    #[command(flatten)]
    tuning: TuningArgs,
}

#[derive(Args, Debug)]
pub(crate) struct AttachArgs {
    /// What `corectl run --detach` printed
    pub(crate) ticket: String,
    /// Tokens that were read already: at least those that it printed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) from: u32,
}

#[derive(Args, Debug)]
pub(crate) struct ChatArgs {
    /// The model's id, as `corectl models` lists it
    pub(crate) model: String,
    #[command(flatten)]
    tuning: TuningArgs,
}

/// What `run` and `chat` share, in the order of `--help`: the usual flags first.
#[derive(Args, Debug)]
struct TuningArgs {
    /// Compute everything anew, and keep nothing of it
    #[arg(long, help_heading = CONTEXTS)]
    no_cache: bool,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    answer: AnswerArgs,
    #[command(flatten)]
    shaping: ShapingArgs,
}

#[derive(Args, Debug)]
pub(crate) struct TokenizeArgs {
    /// The model whose vocabulary is used
    pub(crate) model: String,
    /// The text; read from standard input when absent, without its last newline
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: Option<String>,
    /// The tokens of the characters alone: nothing in front, markers are plain text
    #[arg(long)]
    pub(crate) plain: bool,
}

#[derive(Args, Debug)]
pub(crate) struct EmbedArgs {
    /// The model's id, as `corectl models` lists it
    pub(crate) model: String,
    /// The text; read from standard input when absent, without its last newline
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct PublishArgs {
    /// The model's id, as `corectl models` lists it
    pub(crate) model: String,
    /// The text; read from standard input when absent, without its last newline
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct DetokenizeArgs {
    /// The model whose vocabulary is used
    pub(crate) model: String,
    /// Token ids, separated by commas or spaces
    #[arg(required = true, value_delimiter = ',')]
    pub(crate) ids: Vec<u32>,
}

#[derive(Args, Debug)]
pub(crate) struct SwapArgs {
    /// The model's id, as `corectl models` lists it
    pub(crate) model: String,
    /// A file's name beneath the broker's models/
    pub(crate) file: String,
}

#[derive(Args, Debug)]
pub(crate) struct ModelArgs {
    /// The model's id, as `corectl models` lists it
    pub(crate) model: String,
}

impl RunArgs {
    /// What is asked of the broker; what was not typed keeps its default.
    pub(crate) fn params(&mut self) -> Result<Params, Failure> {
        let params = self.tuning.params()?;
        Ok(Params { n: self.n.unwrap_or(params.n), logprobs: self.logprobs, ..params })
    }
}

impl ChatArgs {
    /// As [`RunArgs::params`], for each answer.
    pub(crate) fn params(&mut self) -> Result<Params, Failure> {
        self.tuning.params()
    }
}

impl TuningArgs {
    fn params(&mut self) -> Result<Params, Failure> {
        let mut params = self.sampling.params();
        params.grammar = self.answer.grammar()?;
        self.shaping.shape(&mut params);
        if self.no_cache {
            params.cache = Cache::Off;
        }
        Ok(params)
    }
}
