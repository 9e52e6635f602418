//! A model's file is replaced while it serves: what is told of it, and what grammars compile for.

use std::{fs, path::Path, time::Duration};

use core_client::{Client, Grammar};
use core_tests::harness::{Broker, processes};
use nix::{sys::signal::Signal, unistd::Pid};

use crate::talk::{Heard, ask, connect, greedy, talk};

/// How long the broker may take to see that a worker was killed; it waits for that in its loop.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// Puts the same model with one byte more in its place, as a program that replaces files does it.
fn replace(file: &Path) {
    let mut bytes = fs::read(file).expect("read");
    bytes.push(0);
    let beside = file.with_extension("new");
    fs::write(&beside, bytes).expect("written");
    fs::rename(&beside, file).expect("renamed");
}

async fn bound(client: &Client, regex: &str) -> Heard {
    let mut request = greedy("story", "Mira has a ", 8);
    request.params.ignore_eos = false;
    request.params.grammar = Some(Grammar::Regex(regex.into()));
    ask(client, request).await
}

async fn digest(client: &Client) -> Option<String> {
    let models = client.models().await.expect("the models");
    models.into_iter().find(|model| model.id == "story").and_then(|model| model.sha256)
}

async fn unload(client: &Client) {
    client.unload("story").await.expect("sent").finish().await.expect("unloaded");
}

/// Kills the worker that compiles grammars, and waits until the broker knows.
fn end_compiler(broker: &Broker) {
    let compiler = || broker.worker("story (grammars)");
    let pid = Pid::from_raw(compiler().expect("a compiler").cast_signed());
    nix::sys::signal::kill(pid, Signal::SIGKILL).expect("it runs");
    let gone = || compiler().is_none().then_some(());
    assert!(processes::wait_for(GONE_WITHIN, gone).is_some(), "it is still there");
}

#[test]
fn a_grammar_is_compiled_for_the_file_that_serves_or_not_used() {
    let broker = Broker::with_story().expect("a broker");
    broker.load("story");
    let file = broker.install.model("story");
    talk(async {
        let client = connect(&broker).await;
        bound(&client, "(red|blue) kite").await.done();
        let first = digest(&client).await;
        replace(&file);
        // The compiler still holds the file that serves.
        bound(&client, "(red|blue) ball").await.done();
        end_compiler(&broker);
        // A new one can only open the new file, which is not the one that serves.
        assert_eq!(bound(&client, "(red|blue) boat").await.refusal().0, "MODEL_CHANGED");
        assert_eq!(digest(&client).await, first, "the old file serves");
        bound(&client, "(red|blue) kite").await.done();
        unload(&client).await;
        bound(&client, "(red|blue) boat").await.done();
        let second = digest(&client).await;
        assert!(second.is_some() && second != first, "the new file serves");
        replace(&file);
        unload(&client).await;
        client.load("story").await.expect("sent").finish().await.expect("loaded");
        // Now it is the compiler that holds an old file. It is replaced.
        assert_eq!(bound(&client, "(red|blue) fish").await.refusal().0, "MODEL_CHANGED");
        bound(&client, "(red|blue) fish").await.done();
    });
}
