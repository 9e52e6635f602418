//! Which of the engine's CPU variants this machine runs best, found by a throwaway worker.

use std::{path::PathBuf, time::Duration};

use core_wire::{code::Refusal, worker::Purpose};

use super::{Shared, launch::Plan, tend};
use crate::{memory::pool::Grant, models::files::Files, workers::link::Role};

/// How long the throwaway worker may take to compare CPU variants: 14 of them load in 9 ms.
const CHOOSE_WITHIN: Duration = Duration::from_secs(30);

/// The best CPU variant, compared once in a broker's life; who comes meanwhile waits for it.
pub(super) async fn variant(core: &Shared) -> Result<PathBuf, Refusal> {
    let cell = core.borrow().variant.clone();
    cell.get_or_try_init(|| choose(core)).await.cloned()
}

async fn choose(core: &Shared) -> Result<PathBuf, Refusal> {
    let variants = core.borrow().setup.worker.variants.clone();
    let paths = variants.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let plan = Plan {
        purpose: Purpose::Choose { variants: paths },
        role: Role::Choose { variants: variants.len() },
        line: None,
        files: Files::default(),
        grant: Grant::of_chooser(),
        gpu: None,
        threads: 1,
        within: CHOOSE_WITHIN,
    };
    let launched = core.borrow_mut().launch(plan)?;
    let id = launched.id;
    let ended = tend::tend(core, launched).await;
    let chosen = core.borrow_mut().remove(id).and_then(|worker| worker.chosen);
    let Some(chosen) = chosen.and_then(|index| variants.get(index)) else {
        return Err(ended.while_loading());
    };
    let name = chosen.file_name().unwrap_or_default().to_string_lossy();
    tracing::info!(variant = &*name, "CPU variant chosen");
    Ok(chosen.clone())
}
