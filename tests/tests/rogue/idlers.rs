//! Workers that show signs of life and do nothing.

use std::time::Duration;

use core_tests::{
    harness::processes,
    rogue::{Den, Lie, generate},
};
use core_wire::client::{Priority, Request};

/// Requests that fill the slots of a worker, with tokens for a while.
const SLOTS: usize = 4;
const TOKENS: u32 = 10_000;
/// The den's watchdog finds who keeps what is asked back within 4 s; three times that.
const FOUND_WITHIN: Duration = Duration::from_secs(12);
/// How soon the broker says why.
const SAID_WITHIN: Duration = Duration::from_secs(5);
/// How soon a worker has begun to idle.
const BEGINS_WITHIN: Duration = Duration::from_secs(2);

#[test]
fn who_lives_and_gives_nothing_back_is_killed_as_hung() {
    let den = Den::new().expect("a den");
    let model = den.add(Lie::Beats, 1).expect("a model");
    let mut raw = den.door.enter().expect("a session");
    let mut ask = |id: &str, class| {
        let mut generate = generate(&model, TOKENS);
        generate.params.priority = class;
        raw.ask(id, Request::Generate(Box::new(generate))).expect("sent");
    };
    (0..SLOTS).for_each(|n| ask(&format!("batch-{n}"), Priority::Batch));
    let worker = || den.broker.worker(&model);
    let worker = processes::wait_for(BEGINS_WITHIN, worker).expect("a worker");
    std::thread::sleep(BEGINS_WITHIN / 2);
    assert!(processes::alive(worker), "nothing was asked back yet");
    ask("urgent", Priority::Interactive);
    let gone = || (!processes::alive(worker)).then_some(());
    assert!(processes::wait_for(FOUND_WITHIN, gone).is_some(), "{}", den.broker.log());
    let said = || {
        let log = den.broker.log();
        let why = ["WORKER_HUNG", "did nothing that it was asked"];
        why.iter().all(|words| log.contains(words)).then_some(())
    };
    // The broker hears of the end when its turn comes.
    assert!(processes::wait_for(SAID_WITHIN, said).is_some(), "{}", den.broker.log());
}
