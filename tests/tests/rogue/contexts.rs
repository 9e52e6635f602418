//! Saved contexts that somebody changed on the disk: the broker refuses each before a byte of it
//! reaches a worker, and the one that was written is still good.

use std::{fs, os::unix::fs::chown, path::PathBuf};

use core_tests::{
    harness::{Broker, Setup},
    rogue::{Door, Raw, generate},
};
use core_wire::{
    client::{Event, Request},
    code::Code,
};

use crate::decoders::fuzz;

/// The model whose context is saved.
const MODEL: &str = "story";
/// What it is called.
const NAME: &str = "kept";
/// Files between two looks at the clock.
const BATCH: usize = 16;

/// Asks, and hears the one answer.
fn answer(raw: &mut Raw, request: Request) -> Setup<Event> {
    raw.ask("context", request)?;
    raw.hear_all("context")?.pop().ok_or_else(|| "no answer".into())
}

fn restore(raw: &mut Raw) -> Event {
    let request = Request::Restore { model: MODEL.into(), name: NAME.into() };
    answer(raw, request).expect("an answer")
}

/// Saves a context; answers where its file lies.
fn saved(broker: &Broker, door: &Door) -> Setup<PathBuf> {
    let mut raw = door.enter()?;
    let done = answer(&mut raw, Request::Generate(Box::new(generate(MODEL, 8))))?;
    let kept = answer(&mut raw, Request::Save { model: MODEL.into(), name: NAME.into() })?;
    if !matches!((&done, &kept), (Event::Done(_), Event::Context(_))) {
        return Err(format!("{done:?}, {kept:?}").into());
    }
    let files = fs::read_dir(broker.install.root().join("cache"))?;
    let mut paths = files.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.extension().is_some_and(|end| end == "kv")).ok_or("no file".into())
}

#[test]
fn saved_contexts() {
    let broker = Broker::with_story().expect("a broker");
    let door = Door::of(&broker).expect("a door");
    let path = saved(&broker, &door).expect("a context");
    let whole = fs::read(&path).expect("it reads");
    let worker = broker.worker(MODEL);
    let mut raw = door.enter().expect("a session");
    fuzz("saved contexts", std::slice::from_ref(&whole), BATCH, |bytes| {
        fs::write(&path, bytes).expect("written");
        chown(&path, Some(broker.install.uid), None).expect("given back");
        match restore(&mut raw) {
            Event::Context(_) => assert!(bytes == whole, "a changed file was restored"),
            Event::Error(refusal) => assert_eq!(refusal.code, Code::ContextBroken),
            other => panic!("{other:?}"),
        }
        bytes == whole
    });
    fs::write(&path, &whole).expect("written");
    assert!(matches!(restore(&mut raw), Event::Context(_)), "the right one is refused");
    assert!(worker.is_some() && broker.worker(MODEL) == worker, "another worker serves");
}
