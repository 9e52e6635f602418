//! A worker that is lost after it has told a context, while that is being written.

use std::{
    fs::{self, File},
    time::Duration,
};

use core_tests::harness::{Broker, Install};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::sleep;

use super::{compared, serving};
use crate::talk::{ask, connect, talk, until};

/// Bytes of a file whose reading holds up the thread that writes contexts: seconds of them.
const LARGE_BYTES: u64 = 4 << 30;
/// How long it may take until that thread reads, and until a context has been told.
const BEGINS_WITHIN: Duration = Duration::from_millis(300);

fn broker() -> Broker {
    let install = Install::new().expect("an installation");
    install.add_story().expect("a model");
    let large = File::create(install.model("large")).expect("created");
    large.set_len(LARGE_BYTES).expect("a file with nothing in it");
    // What is declared is read before anything else is done with it.
    let config = format!("[models.large]\nsha256 = \"{}\"\n", "0".repeat(64));
    fs::write(install.root().join("core.toml"), config).expect("written");
    let broker = Broker::start(install, &[]).expect("a broker");
    broker.load("story");
    broker
}

#[test]
fn a_context_that_was_told_is_saved_whatever_becomes_of_its_worker() {
    let broker = broker();
    talk(async {
        let (client, other) = (connect(&broker).await, connect(&broker).await);
        ask(&client, compared("story", "Once upon a time", 8)).await.done();
        let loads = other.load("large").await.expect("sent");
        sleep(BEGINS_WITHIN).await;
        let worker = serving(&other, "story").await.expect("it serves").pid;
        let kills = async {
            sleep(BEGINS_WITHIN).await;
            kill(Pid::from_raw(worker.cast_signed()), Signal::SIGKILL).expect("it runs");
            until(&other, |status| status.deaths.killed == 1).await;
            let reads = other.status().await.expect("a state");
            let mut large = reads.models.iter().filter(|model| model.id == "large");
            large.next().expect("it is known").sha256.is_none()
        };
        let (saved, in_time) = tokio::join!(client.save("story", "kept"), kills);
        assert!(in_time, "the file was read before the worker died: nothing was shown");
        assert!(saved.expect("it is saved").tokens > 8);
        loads.finish().await.expect_err("it is not what was declared");
        let restored = client.restore("story", "kept").await.expect("it is there");
        assert!(restored.tokens > 8);
    });
}
