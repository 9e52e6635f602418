//! A model file that is not what it says, loaded by the real broker in the real sandbox.

use std::fs;

use core_wire::{
    client::{Event, Request},
    code::Code,
};

use super::{Door, generate};
use crate::{
    gguf::derived,
    harness::{Broker, Setup},
};

/// Loads one file of [`derived`], and where it loads asks it for two tokens; answers what is wrong
/// in it and what came of it: a refusal's code, the signal that ended the worker, or that it ran.
///
/// # Errors
/// An end of any other kind.
pub fn load_broken(broker: &Broker, door: &Door, n: usize) -> Setup<(&'static str, String)> {
    let (kind, bytes) = derived(n)?;
    let model = format!("broken-{n}");
    let path = broker.install.model(&model);
    fs::write(&path, bytes)?;
    let mut raw = door.enter()?;
    raw.ask("load", Request::Load { model: model.clone() })?;
    let loaded = raw.hear_all("load")?;
    let outcome = match loaded.last() {
        Some(Event::Loaded(_)) => {
            raw.ask("run", Request::Generate(Box::new(generate(&model, 2))))?;
            let ran = format!("loaded, {}", ended(&raw.hear_all("run")?)?);
            raw.ask("unload", Request::Unload { model })?;
            raw.hear_all("unload")?;
            ran
        }
        _ => ended(&loaded)?,
    };
    fs::remove_file(&path)?;
    Ok((kind, outcome))
}

fn ended(events: &[Event]) -> Setup<String> {
    match events.last() {
        Some(Event::Done(_)) => Ok("ran".into()),
        Some(Event::Error(refusal)) => {
            let message = &refusal.message;
            let signal = message.split(|c: char| !c.is_ascii_uppercase());
            let signal = signal.into_iter().find(|word| word.len() > 3 && word.starts_with("SIG"));
            match (refusal.code, signal) {
                (Code::PolicyViolation, _) => Ok("SIGSYS".into()),
                (_, Some(signal)) => Ok(signal.to_owned()),
                (Code::ModelLoad | Code::Memory | Code::ModelPath, None) => {
                    Ok(format!("refused {}", refusal.code.name()))
                }
                (code, None) => Err(format!("{}: {message}", code.name()).into()),
            }
        }
        last => Err(format!("{last:?}").into()),
    }
}
