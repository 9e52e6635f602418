//! `corectl models`, `load`, `unload` and `swap`.

use core_client::{ModelInfo, ModelState};

use super::{
    generate::{self, Asked, End},
    session::Target,
};
use crate::{
    failure::{Exit, Failure},
    out::{
        self, Format, Out,
        table::{Cell, Table, bytes, count},
    },
};

/// Digits of a hash that a table shows; `--json` has all of them.
const HASH_DIGITS: usize = 12;

/// Loads a model, with a bar.
pub(crate) async fn load(model: &str, target: Target, out: &mut Out) -> Result<Exit, Failure> {
    let session = target.connect().await?;
    let events = session.client.load(model).await?;
    let shown = generate::show(events, Asked::place(model), &session, out).await?;
    tell(&shown.end, out);
    Ok(shown.end.exit())
}

/// Ends a model's worker.
pub(crate) async fn unload(model: &str, target: Target, out: &mut Out) -> Result<Exit, Failure> {
    let session = target.connect().await?;
    let events = session.client.unload(model).await?;
    let shown = generate::show(events, Asked::place(model), &session, out).await?;
    tell(&shown.end, out);
    Ok(shown.end.exit())
}

/// Serves a model from another file, with a bar.
pub(crate) async fn swap(
    model: &str,
    file: &str,
    target: Target,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let session = target.connect().await?;
    let events = session.client.swap(model, file).await?;
    let shown = generate::show(events, Asked::place(model), &session, out).await?;
    tell(&shown.end, out);
    Ok(shown.end.exit())
}

/// Lists the models.
pub(crate) async fn list(target: Target, out: &mut Out) -> Result<Exit, Failure> {
    let models = target.connect().await?.client.models().await?;
    match out.format() {
        Format::Json => {
            for model in &models {
                out.json(model).await?;
            }
        }
        Format::Human if models.is_empty() => {
            out::note("No models: put a .gguf file into the broker's models/ directory.");
        }
        Format::Human => out.own_text(&table(&models).show(0, out.style)).await?,
    }
    Ok(Exit::Done)
}

fn tell(end: &End, out: &Out) {
    if let (Format::Human, End::Loaded(model)) = (out.format(), end) {
        out::note(&sentence(model));
    }
}

fn sentence(model: &ModelInfo) -> String {
    let state = state_word(model.state);
    match model.n_ctx {
        0 => format!("{} is {state} ({})", model.id, bytes(model.size_bytes)),
        n_ctx => format!(
            "{} is {state}: {}, {} parameters, {}, context {n_ctx} tokens",
            model.id,
            model.architecture,
            count(model.n_params),
            bytes(model.size_bytes),
        ),
    }
}

fn table(models: &[ModelInfo]) -> Table {
    let mut table =
        Table::new(&["MODEL", "STATE", "SIZE", "CONTEXT", "PARAMETERS", "KIND", "SHA-256", "NOTE"]);
    for model in models {
        table.row([
            Cell::text(&model.id),
            state_cell(model.state),
            Cell::number(bytes(model.size_bytes)),
            Cell::number(known(model.n_ctx.into(), |n| n.to_string())),
            Cell::number(known(model.n_params, count)),
            Cell::text(&model.architecture),
            Cell::text(short_hash(model.sha256.as_deref())),
            Cell::text(model.reason.as_deref().unwrap_or("")),
        ]);
    }
    table
}

/// A number that is 0 until the model was loaded once.
pub(super) fn known(number: u64, show: impl Fn(u64) -> String) -> String {
    match number {
        0 => "-".into(),
        number => show(number),
    }
}

/// The start of a hash.
pub(super) fn short_hash(hash: Option<&str>) -> String {
    hash.unwrap_or("-").chars().take(HASH_DIGITS).collect()
}

/// A model's state in a table.
pub(super) fn state_cell(state: ModelState) -> Cell {
    let word = state_word(state);
    match state {
        ModelState::Ready => Cell::good(word),
        ModelState::Loading | ModelState::Draining => Cell::odd(word),
        ModelState::Failed => Cell::bad(word),
        ModelState::Unloaded => Cell::text(word),
    }
}

/// A model's state in a word.
pub(super) fn state_word(state: ModelState) -> &'static str {
    match state {
        ModelState::Unloaded => "unloaded",
        ModelState::Loading => "loading",
        ModelState::Ready => "ready",
        ModelState::Draining => "draining",
        ModelState::Failed => "failed",
    }
}
