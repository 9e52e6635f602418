//! Contexts that are saved while something else changes: the configuration, or who else is served.

use std::{fs, time::Duration};

use core_client::Client;
use core_tests::{
    gguf::{self, Shape},
    harness::{Broker, Install},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::sleep;

use crate::{
    contexts::{code, unload},
    talk::{ask, connect, greedy, talk},
};

/// How long a worker is stopped: less than it may be silent.
const STOPPED: Duration = Duration::from_millis(1500);

fn broker() -> Broker {
    let install = Install::new().expect("an installation");
    install.add_story().expect("the story");
    gguf::write_model(&Shape::tiny(), &install.model("tiny")).expect("a model");
    Broker::start(install, &[]).expect("a broker")
}

async fn compute(client: &Client, model: &str) {
    ask(client, greedy(model, "a b", 4)).await.done();
}

#[test]
fn a_context_belongs_to_what_its_worker_was_started_with() {
    let broker = broker();
    talk(async {
        let client = connect(&broker).await;
        compute(&client, "story").await;
        let config = broker.install.root().join("core.toml");
        fs::write(&config, "[defaults]\nkv = \"q8_0\"\n").expect("written");
        broker.signal(Signal::SIGHUP);
        client.save("story", "a").await.expect("saved");
        client.restore("story", "a").await.expect("it serves as it did");
        unload(&client, "story").await;
        let changed = client.restore("story", "a").await;
        assert_eq!(code(changed), "CONTEXT_CHANGED", "this worker stores other numbers");
        fs::write(&config, "").expect("written");
        broker.signal(Signal::SIGHUP);
        assert_eq!(code(client.restore("story", "a").await), "CONTEXT_CHANGED", "it still does");
        unload(&client, "story").await;
        client.restore("story", "a").await.expect("a worker like the first");
    });
}

#[test]
fn a_save_that_waits_for_its_worker_keeps_no_other_out() {
    let broker = broker();
    talk(async {
        let (first, second) = (connect(&broker).await, connect(&broker).await);
        compute(&first, "story").await;
        compute(&second, "tiny").await;
        let worker = Pid::from_raw(broker.worker("story").expect("a worker").cast_signed());
        kill(worker, Signal::SIGSTOP).expect("it runs");
        let others = async {
            // Until the first one has come to its worker.
            sleep(STOPPED / 3).await;
            let saved = second.save("tiny", "b").await;
            sleep(STOPPED / 3).await;
            kill(worker, Signal::SIGCONT).expect("it is there");
            saved
        };
        let (waited, saved) = tokio::join!(first.save("story", "a"), others);
        assert_eq!(code(saved), "", "another model's context");
        waited.expect("saved once its worker went on");
        second.restore("tiny", "b").await.expect("it is whole");
    });
}
