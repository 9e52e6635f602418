//! What each command does.

mod audit;
mod chat;
mod choices;
mod contexts;
mod deaths;
mod detach;
mod generate;
mod metrics;
mod models;
mod orders;
mod run;
mod session;
mod status;
mod status_line;
#[cfg(test)]
mod tests;
mod text;
mod top;

use self::session::Target;
use crate::{
    cli::{Cli, Command},
    failure::{Exit, Failure},
    out::{Format, Out},
};

/// Runs one command to its exit code; whatever went wrong has been told.
pub(crate) async fn run(cli: Cli) -> Exit {
    let format = match cli.json {
        true => Format::Json,
        false => Format::Human,
    };
    let mut out = Out::new(format);
    let target = Target { socket: cli.socket, token_file: cli.token_file };
    match perform(cli.command, target, &mut out).await {
        Ok(exit) => exit,
        Err(failure) => out.failure(&failure).await,
    }
}

async fn perform(command: Command, target: Target, out: &mut Out) -> Result<Exit, Failure> {
    match command {
        Command::Run(args) => run::run(args, target, out).await,
        Command::Attach(args) => detach::attach(&args, target, out).await,
        Command::Chat(args) => chat::run(args, target, out).await,
        Command::Tokenize(args) => text::tokenize(args, target, out).await,
        Command::Detokenize(args) => text::detokenize(args, target, out).await,
        Command::Embed(args) => text::embed(args, target, out).await,
        Command::Load(args) => models::load(&args.model, target, out).await,
        Command::Unload(args) => models::unload(&args.model, target, out).await,
        Command::Publish(args) => contexts::publish(args, target, out).await,
        Command::Withdraw(args) => contexts::withdraw(&args.model, target, out).await,
        Command::Models => models::list(target, out).await,
        Command::Status => status::run(target, out).await,
        Command::Audit => audit::run(target, out).await,
        Command::Drain => orders::drain(target, out).await,
        Command::Shutdown => orders::shutdown(target, out).await,
        Command::Swap(args) => models::swap(&args.model, &args.file, target, out).await,
        Command::Top => top::run(target, out).await,
        Command::Metrics => metrics::run(target, out).await,
    }
}
