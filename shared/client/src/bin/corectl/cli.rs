//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use core_client::{Params, Priority};

use crate::failure::Failure;

/// Heading of the flags that every command has, so that they do not mix with a command's own.
const BROKER: &str = "Which broker, and how to answer";

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
    /// Talk to a model, with its own chat template
    Chat(ChatArgs),
    /// Show the tokens of a text
    Tokenize(TokenizeArgs),
    /// Show the text of tokens
    Detokenize(DetokenizeArgs),
    /// Load a model now, so that the first request need not wait
    Load(ModelArgs),
    /// End a model's worker once its requests are done
    Unload(ModelArgs),
    /// List the models
    Models,
    /// Show the broker, its workers, its models and its queue
    Status,
    /// Show what protects each process; exit 1 when anything required is missing
    Audit,
    /// Let running requests finish and take no new ones
    Drain,
    /// Drain, then end the broker
    Shutdown,
    /// Names of the contract that later versions fill.
    #[command(hide = true, disable_help_flag = true)]
    Embed(Later),
    #[command(hide = true, disable_help_flag = true)]
    Swap(Later),
    #[command(hide = true, disable_help_flag = true)]
    Top(Later),
    #[command(hide = true, disable_help_flag = true)]
    Metrics(Later),
}

/// Whatever follows a command that this version does not have.
#[derive(Args, Debug)]
pub(crate) struct Later {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
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
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ChatArgs {
    /// The model's id, as `corectl models` lists it
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
}

/// How tokens are chosen. Ranges are the broker's to check: it names value and limit.
#[derive(Args, Debug)]
pub(crate) struct SamplingArgs {
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
    #[command(flatten)]
    later: LaterFlags,
}

/// Flags of the contract that later versions fill.
#[derive(Args, Debug)]
struct LaterFlags {
    #[arg(long, hide = true, value_name = "FILE")]
    grammar: Option<PathBuf>,
    #[arg(long, hide = true, value_name = "FILE")]
    json_schema: Option<PathBuf>,
    #[arg(long, hide = true, value_name = "N", allow_hyphen_values = true)]
    logprobs: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PriorityArg {
    Interactive,
    Normal,
    Batch,
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
pub(crate) struct DetokenizeArgs {
    /// The model whose vocabulary is used
    pub(crate) model: String,
    /// Token ids, separated by commas or spaces
    #[arg(required = true, value_delimiter = ',')]
    pub(crate) ids: Vec<u32>,
}

#[derive(Args, Debug)]
pub(crate) struct ModelArgs {
    /// The model's id, as `corectl models` lists it
    pub(crate) model: String,
}

impl SamplingArgs {
    /// What is asked of the broker; what was not typed keeps its default.
    pub(crate) fn into_params(self) -> Result<Params, Failure> {
        self.later.refuse()?;
        let defaults = Params::default();
        Ok(Params {
            max_tokens: self.max_tokens.unwrap_or(defaults.max_tokens),
            temperature: self.temp.unwrap_or(defaults.temperature),
            top_k: self.top_k.unwrap_or(defaults.top_k),
            top_p: self.top_p.unwrap_or(defaults.top_p),
            min_p: self.min_p.unwrap_or(defaults.min_p),
            seed: self.seed,
            stop: self.stop,
            ignore_eos: self.ignore_eos,
            priority: self.priority.map_or(defaults.priority, Priority::from),
            deadline_ms: self.deadline_ms,
            ..defaults
        })
    }
}

impl LaterFlags {
    fn refuse(&self) -> Result<(), Failure> {
        let asked = [
            ("--grammar", self.grammar.is_some()),
            ("--json-schema", self.json_schema.is_some()),
            ("--logprobs", self.logprobs.is_some()),
        ];
        match asked.iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(Failure::not_yet(flag)),
            None => Ok(()),
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
