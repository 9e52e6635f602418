//! Models that are there before anybody asks, that come back, and that go when nobody asks.

use std::{fs, time::Duration};

use core_tests::harness::{Broker, Install, processes};
use nix::{sys::signal::Signal, unistd::Pid};

/// How long a model of a megabyte may take to be there, or to be gone.
const WITHIN: Duration = Duration::from_secs(20);

fn broker(settings: &str) -> Broker {
    let install = Install::new().expect("an installation");
    install.add_story().expect("a model");
    let config = format!("[models.story]\n{settings}\n");
    fs::write(install.root().join("core.toml"), config).expect("written");
    Broker::start(install, &[]).expect("a broker")
}

/// What `status` says that the model is doing.
fn state(broker: &Broker) -> Option<String> {
    let status = broker.corectl(&["status"]);
    Some(status.lines.first()?["models"][0]["state"].as_str()?.to_owned())
}

fn becomes(broker: &Broker, so: &str) -> bool {
    let is_so = || (state(broker).as_deref() == Some(so)).then_some(());
    processes::wait_for(WITHIN, is_so).is_some()
}

#[test]
fn a_pinned_model_is_there_from_the_start_and_comes_back_unless_it_was_unloaded() {
    let broker = broker("preload = true\npinned = true");
    assert!(becomes(&broker, "ready"), "{}", broker.log());
    let first = broker.worker("story").expect("a worker");
    nix::sys::signal::kill(Pid::from_raw(first.cast_signed()), Signal::SIGKILL).expect("it runs");
    let other = || broker.worker("story").filter(|&pid| pid != first);
    assert!(processes::wait_for(WITHIN, other).is_some(), "{}", broker.log());
    assert!(becomes(&broker, "ready"), "{}", broker.log());
    assert_eq!(broker.corectl(&["unload", "story"]).code, 0);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(state(&broker).as_deref(), Some("unloaded"), "who unloads it means that");
}

#[test]
fn a_model_goes_when_its_time_with_nothing_to_do_is_over() {
    let broker = broker("keep_alive_s = 1");
    broker.load("story");
    assert!(becomes(&broker, "unloaded"), "{}", broker.log());
    assert!(broker.workers().is_empty());
    let run = broker.corectl(&["run", "story", "Mira", "-n", "4"]);
    assert_eq!((run.code, run.tokens().len()), (0, 4), "and comes back for a request: {run:?}");
    assert_eq!(run.events("progress").count(), 0, "the lines of run are fixed");
}
