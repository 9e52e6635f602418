//! One slot, and somebody who cannot wait for it.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use core_tests::harness::{Broker, Install, Setup};
use serde_json::Value;

/// The request that gives way: long enough to be in the middle when the other one comes.
const BATCH: [&str; 11] = [
    "run",
    "long",
    "Once upon a time",
    "-n",
    "200",
    "--temp",
    "0",
    "--ignore-eos",
    "--seed",
    "1",
    "--priority=batch",
];

/// Tokens after which the other one comes.
const MIDDLE: usize = 80;

fn one_slot(n_ctx: u32) -> Setup<Broker> {
    let install = Install::new()?;
    install.add_long()?;
    let config = install.root().join("core.toml");
    fs::write(&config, format!("[defaults]\nslots = 1\nn_ctx = {n_ctx}\n"))?;
    Broker::start(install, &["--config", &config.to_string_lossy()])
}

/// Lines of a command that runs.
fn lines(child: &mut Child) -> impl Iterator<Item = Value> + use<> {
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    stdout.lines().map(|line| serde_json::from_str(&line.expect("a line")).expect("JSON"))
}

fn ids(lines: &[Value]) -> Vec<u64> {
    let tokens = lines.iter().filter(|line| line["event"] == "token");
    tokens.filter_map(|line| line["id"].as_u64()).collect()
}

/// Its cells are kept meanwhile: 512 of 4,096 are for those that pause.
#[test]
fn an_interactive_request_takes_the_only_slot_and_the_batch_one_loses_nothing() {
    the_batch_one_continues(&one_slot(4_096).expect("a broker with one slot"));
}

/// 64 cells are fewer than it has by then: it is computed again from what the broker kept of it.
#[test]
fn a_request_whose_cells_were_given_away_continues_from_the_journal() {
    the_batch_one_continues(&one_slot(512).expect("a broker with one slot and few cells"));
}

fn the_batch_one_continues(broker: &Broker) {
    let alone = broker.corectl(&BATCH);
    assert_eq!((alone.code, alone.tokens().len()), (0, 200), "{alone:?}\n{}", broker.log());
    let mut batch =
        broker.corectl_command(&BATCH).stdout(Stdio::piped()).spawn().expect("corectl starts");
    let mut stream = lines(&mut batch);
    let mut seen: Vec<Value> = Vec::new();
    while ids(&seen).len() < MIDDLE {
        seen.push(stream.next().expect("it goes on"));
    }
    let wanted = ["run", "long", "Tell", "-n", "5", "--ignore-eos", "--priority=interactive"];
    let first = broker.corectl(&wanted);
    assert_eq!((first.code, first.tokens().len()), (0, 5), "{first:?}");
    let over = batch.try_wait().expect("a child");
    assert!(over.is_none(), "the one that came later ends first");
    seen.extend(stream);
    assert!(batch.wait().expect("corectl ends").success(), "{seen:?}\n{}", broker.log());
    let parked = seen.iter().skip_while(|line| line["event"] != "token");
    let told = parked.filter(|line| line["event"] == "queued").count();
    assert_eq!(told, 1, "parked once, and told so");
    assert_eq!(ids(&seen), alone.tokens(), "a pause, and then exactly the rest");
    let done = seen.last().expect("a terminal line");
    assert_eq!(done["usage"]["completion_tokens"], 200);
    let alone = alone.lines.last().expect("a terminal line");
    assert_eq!(done["usage"]["prompt_tokens"], alone["usage"]["prompt_tokens"]);
}
