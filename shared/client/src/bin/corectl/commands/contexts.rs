//! What is computed once and used again: `corectl publish` and `withdraw`, and what `run` and
//! `chat` save and restore.

use core_client::{Client, ContextInfo, Prompt};

use super::session::Target;
use crate::{
    cli::PublishArgs,
    failure::{Exit, Failure},
    input,
    out::{self, Format, Out, json::Line, table::bytes},
};

/// Publishes a text.
pub(crate) async fn publish(
    args: PublishArgs,
    target: Target,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let prompt = Prompt::Text(input::text_or_stdin(args.text)?);
    let client = target.connect().await?.client;
    let info = client.publish(&args.model, prompt).await?;
    told("published", info, out).await?;
    Ok(Exit::Done)
}

/// Withdraws what was published.
pub(crate) async fn withdraw(model: &str, target: Target, out: &mut Out) -> Result<Exit, Failure> {
    let info = target.connect().await?.client.withdraw(model).await?;
    told("withdrawn", info, out).await?;
    Ok(Exit::Done)
}

/// Saves the context of a session; an empty name is what the broker refuses.
pub(crate) async fn save(
    client: &Client,
    (model, name): (&str, &str),
    out: &mut Out,
) -> Result<(), Failure> {
    let info = client.save(model, name).await?;
    told("saved", info, out).await
}

/// Restores a context into a session.
pub(crate) async fn restore(
    client: &Client,
    (model, name): (&str, &str),
    out: &mut Out,
) -> Result<(), Failure> {
    let info = client.restore(model, name).await?;
    told("restored", info, out).await
}

async fn told(what: &str, info: ContextInfo, out: &mut Out) -> Result<(), Failure> {
    match out.format() {
        Format::Json => out.json(&Line::context(info)).await?,
        Format::Human => out::note(&sentence(what, info)),
    }
    Ok(())
}

pub(super) fn sentence(what: &str, info: ContextInfo) -> String {
    match info.bytes {
        0 => format!("[{what}: {} tokens]", info.tokens),
        size => format!("[{what}: {} tokens, {}]", info.tokens, bytes(size)),
    }
}
