//! `corectl tokenize`, `corectl detokenize` and `corectl embed`.

use core_client::{Prompt, Special};

use super::session::Target;
use crate::{
    cli::{DetokenizeArgs, EmbedArgs, TokenizeArgs},
    failure::{Exit, Failure},
    input,
    out::{
        Format, Out,
        json::{EmbeddingLine, TextLine, TokensLine},
    },
};

/// Prints the tokens of a text, separated by commas: what `run --tokens` and `detokenize` take.
pub(crate) async fn tokenize(
    args: TokenizeArgs,
    target: Target,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let text = input::text_or_stdin(args.text)?;
    let special = match args.plain {
        true => Special::Plain,
        false => Special::Prompt,
    };
    let client = target.connect().await?.client;
    let tokens = client.tokenize(&args.model, &text, special).await?;
    match out.format() {
        Format::Json => out.json(&TokensLine { tokens }).await?,
        Format::Human => {
            let ids: Vec<String> = tokens.iter().map(u32::to_string).collect();
            out.own_text(&(ids.join(",") + "\n")).await?;
        }
    }
    Ok(Exit::Done)
}

/// Prints the text of tokens.
pub(crate) async fn detokenize(
    args: DetokenizeArgs,
    target: Target,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let client = target.connect().await?.client;
    let text = client.detokenize(&args.model, args.ids).await?;
    match out.format() {
        Format::Json => out.json(&TextLine { text }).await?,
        Format::Human => {
            out.model_text(&text).await?;
            out.own_text("\n").await?;
        }
    }
    Ok(Exit::Done)
}

/// Prints the embedding of a text, its numbers separated by commas.
pub(crate) async fn embed(args: EmbedArgs, target: Target, out: &mut Out) -> Result<Exit, Failure> {
    let text = input::text_or_stdin(args.text)?;
    let client = target.connect().await?.client;
    let embedding = client.embed(&args.model, Prompt::Text(text)).await?;
    match out.format() {
        Format::Json => out.json(&EmbeddingLine { embedding }).await?,
        Format::Human => {
            let numbers: Vec<String> = embedding.iter().map(f32::to_string).collect();
            out.own_text(&(numbers.join(",") + "\n")).await?;
        }
    }
    Ok(Exit::Done)
}
