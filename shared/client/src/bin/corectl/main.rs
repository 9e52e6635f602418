//! `corectl`: the operator's side of core-runtime on the command line.
//!
//! Standard output carries the answer, standard error what is said about it. With `--json` the
//! answer is one object per line, with the fields of the contract. Whatever a broker or a model
//! says is cleaned of control characters before a terminal sees it.

#![forbid(unsafe_code)]

mod cli;
mod commands;
mod failure;
mod input;
mod interrupt;
mod out;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Parser;

use crate::{cli::Cli, failure::Exit};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let exit = match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(commands::run(cli));
            // A read from a terminal may never return; nothing here waits for it.
            runtime.shutdown_background();
            exit
        }
        Err(error) => out::complain(&format!("no event loop: {error}"), Exit::Failed),
    };
    exit.into()
}

/// Prints what clap has to say: help and version are no errors.
fn explain(error: &clap::Error) -> ExitCode {
    // Nobody may be there to read it; the exit code says the same.
    let _unread = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}
