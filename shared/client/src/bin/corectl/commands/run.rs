//! `corectl run`: one prompt.

use core_client::{Generate, Prompt};

use super::{
    contexts, detach,
    generate::{self, Asked, End},
    session::Target,
};
use crate::{
    cli::RunArgs,
    failure::{Exit, Failure},
    input,
    out::{self, Format, Out},
};

/// Continues a prompt and streams the text.
pub(crate) async fn run(mut args: RunArgs, target: Target, out: &mut Out) -> Result<Exit, Failure> {
    let params = args.params()?;
    let prompt = match args.tokens {
        Some(tokens) => Prompt::Tokens(tokens),
        None => Prompt::Text(typed(args.prompt)?),
    };
    let session = target.connect().await?;
    if let Some(name) = &args.restore {
        contexts::restore(&session.client, (&args.model, name), out).await?;
    }
    let asked = Asked { model: &args.model, choices: params.n };
    let request = Generate { model: args.model.clone(), prompt, params };
    let events = session.client.generate(request).await?;
    if args.detach {
        return detach::detach(events, &session, out).await;
    }
    let shown = generate::show(events, asked, &session, out).await?;
    if let (Format::Human, End::Done(done)) = (out.format(), &shown.end) {
        out::note(&generate::summary(done));
    }
    let exit = shown.end.exit();
    if let (Exit::Done, Some(name)) = (exit, &args.save) {
        contexts::save(&session.client, (&args.model, name), out).await?;
    }
    Ok(exit)
}

fn typed(prompt: Option<String>) -> Result<String, Failure> {
    if prompt.is_none() && input::is_terminal() {
        out::note("Type the prompt; Ctrl-D on an empty line ends it.");
    }
    input::text_or_stdin(prompt)
}
