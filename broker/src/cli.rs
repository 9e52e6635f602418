//! The command line, with exactly the names of the contract.

#![forbid(unsafe_code)]

use std::{os::fd::RawFd, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::startup::exit::Exit;

#[cfg(test)]
mod tests;

/// Serves language models over a Unix socket, each in a locked-down process of its own.
///
/// Exit codes: 0 clean, 64 usage, 69 required protection missing, 70 internal fault, 73 socket or
/// root directory unusable or in use, 77 root refused, 78 configuration or token.
#[derive(Debug, Parser)]
#[command(name = "core-broker", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the broker can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve models until the control pipe closes or a signal comes
    Serve(Serve),
    /// Say what is wrong or odd in a configuration file
    Check {
        /// The file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Say which protections this kernel offers, before anything is started
    ///
    /// Exits 69 when one is missing without which no worker may run. A terminal gets a table,
    /// everything else one JSON object a line.
    Probe(Probe),
}

/// The arguments of `probe`.
#[derive(Debug, Args)]
pub struct Probe {
    /// One JSON object a line, on a terminal too
    #[arg(long)]
    pub json: bool,
}

/// The arguments of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Directory with models/, tokenizers/, temp/, cache/ and perhaps core.toml
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,
    /// Where clients connect; its directory is made with mode 0700 when missing
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,
    /// Where the token comes from
    #[command(flatten)]
    pub token: TokenArgs,
    /// Descriptor that gets one line of JSON once clients can connect [default: standard output]
    #[arg(long, value_name = "N", value_parser = descriptor())]
    pub ready_fd: Option<RawFd>,
    /// Pipe or socket that is kept open by the program in control; its end drains the broker
    #[arg(long, value_name = "N", value_parser = descriptor())]
    pub control_fd: Option<RawFd>,
    /// Configuration instead of core.toml in the root directory
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// User to become when started as root
    #[arg(long, value_name = "NAME|UID")]
    pub user: Option<String>,
    /// Shape of the log lines on standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// The two sources of a token; exactly one is named.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct TokenArgs {
    /// Descriptor to read the token from, to its end
    #[arg(long, value_name = "N", value_parser = descriptor())]
    pub token_fd: Option<RawFd>,
    /// File of mode 0600 to read the token from
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Shape of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A descriptor is a number that is not negative; whether it is open is found out when it is taken.
fn descriptor() -> clap::builder::RangedI64ValueParser<RawFd> {
    clap::value_parser!(i32).range(0..)
}

/// Reads the command line; prints help and usage errors itself.
///
/// # Errors
/// How to exit: clean after help or version, [`Exit::Usage`] otherwise (clap's own code is 2).
pub fn parse() -> Result<Command, Exit> {
    match Cli::try_parse() {
        Ok(cli) => Ok(cli.command),
        Err(error) => {
            // Nobody to tell when the terminal is gone; the exit code still says it.
            let _ = error.print();
            Err(if error.use_stderr() { Exit::Usage } else { Exit::Clean })
        }
    }
}
