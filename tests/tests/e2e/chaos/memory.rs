//! A request that drives every worker that it meets out of memory, and those that happen to be
//! there.
//!
//! What a worker is granted holds all that a request can ask for, so each test makes less of it: a
//! memory cgroup around broker and workers plays a machine that has too little, and a lower limit
//! on what a worker may map is one that has all it may.

use std::{fs, os::unix::process::CommandExt as _, process::Command, time::Instant};

use core_client::Client;
use core_tests::harness::{Broker, Install, Machine, processes};
use tokio::task::LocalSet;

use super::{compared, serving, victim::Victim};
use crate::{
    compare::{RECOVERED, same_within},
    talk::{Heard, ask, broker_with, connect, hear, talk},
};

/// Tokens of the others.
const TOKENS: u32 = 500;
const PROMPTS: [&str; 3] = ["Once upon", "Mira gave", "Tom had"];
/// Tokens of the prompt that is too much: a slice of 512 of them takes 32 MiB of the engine's
/// buffers, which are mapped and not touched before.
const POISON: usize = 4_096;
/// What the machine has while nothing is measured.
const LARGE_BYTES: u64 = 1 << 30;
/// What it has beyond what a worker and its broker used for the others, some of which is page
/// cache that can be given back.
const SPARE_BYTES: u64 = 8 << 20;
/// Bytes of the largest text: nearly a frame, and far more tokens than any context here.
const TEXT_BYTES: usize = 900_000;

#[test]
fn a_request_that_takes_too_much_memory_fails_alone() {
    let Some(machine) = machine() else {
        return;
    };
    let install = Install::new().expect("an installation");
    install.add_long().expect("a model");
    // Slices of a prompt as large as the engine takes them.
    let config = "[models.long]\nslots = 4\nn_ctx = 8192\nstep_ms_max = 10000\n";
    fs::write(install.root().join("core.toml"), config).expect("written");
    let broker = Broker::start(install, &[]).expect("a broker");
    machine.take(broker.pid()).expect("it runs");
    broker.load("long");
    talk(LocalSet::new().run_until(starved(&broker, &machine)));
}

fn machine() -> Option<Machine> {
    let machine = Machine::with(LARGE_BYTES);
    if machine.is_none() {
        println!("skipped: no memory cgroup can be made here");
    }
    machine
}

async fn starved(broker: &Broker, machine: &Machine) {
    let (client, other) = (connect(broker).await, connect(broker).await);
    let expected = undisturbed(&client).await;
    let mut victims = Vec::new();
    for prompt in PROMPTS {
        victims.push(Victim::start(&client, prompt, TOKENS).await);
    }
    for victim in &victims {
        victim.advances().await;
    }
    let bytes = machine.used().expect("readable") + SPARE_BYTES;
    machine.has(bytes).expect("more than it uses");
    let poison = other.generate(compared("long", POISON, 2)).await.expect("sent");
    let (code, message) = hear(poison, Instant::now()).await.refusal();
    assert_eq!(code, "QUARANTINED", "{message}");
    assert!(message.contains("no memory left"), "{message}");
    let mut same = Vec::new();
    for (victim, expected) in victims.into_iter().zip(&expected) {
        let heard = victim.heard.await.expect("no reader panics");
        heard.done();
        same.push(same_within(RECOVERED, &expected.said, &heard.said));
    }
    let status = client.status().await.expect("a state");
    // The third death is its own, or the fourth: the third worker may have heard others before.
    let ended = status.deaths.memory;
    assert!((3..=4).contains(&ended) && status.deaths.killed == 0, "{:?}", status.deaths);
    assert_eq!(status.requests.failed, 1, "{:?}", status.requests);
    println!(
        "on a machine of {} MiB the kernel ended {ended} workers of one request; the {} others \
         have {same:?} of {TOKENS} tokens as undisturbed, up to one that is as likely as its own",
        bytes >> 20,
        same.len(),
    );
    // Nothing else was wrong with it.
    machine.has(LARGE_BYTES).expect("more");
    ask(&client, compared("long", POISON, 2)).await.done();
}

async fn undisturbed(client: &Client) -> Vec<Heard> {
    let mut expected = Vec::new();
    for prompt in PROMPTS {
        expected.push(ask(client, compared("long", prompt, TOKENS)).await);
    }
    expected
}

/// The kernel's limit on a worker, which is what it was granted, is lowered to what it has mapped:
/// the largest text that a frame holds is then too much. The next worker has what it was granted,
/// and says what is wrong with that text.
#[test]
fn a_worker_that_is_refused_memory_says_so_and_costs_the_others_a_pause() {
    talk(LocalSet::new().run_until(refused()));
}

async fn refused() {
    let broker = broker_with("[models.long]\nslots = 4\nn_ctx = 8192\n");
    let (client, other) = (connect(&broker).await, connect(&broker).await);
    let expected = undisturbed(&client).await;
    let victim = Victim::start(&client, PROMPTS[0], TOKENS).await;
    victim.advances().await;
    let worker = serving(&client, "long").await.expect("it serves").pid;
    let bytes = data(worker);
    limit(&broker, worker, bytes);
    let text = "Once upon a time there was a small boat ".repeat(TEXT_BYTES / 40);
    let (code, message) = ask(&other, compared("long", text.as_str(), 2)).await.refusal();
    assert_eq!(code, "PROMPT_TOO_LONG", "{message}");
    let heard = victim.heard.await.expect("no reader panics");
    heard.done();
    let same = same_within(RECOVERED, &expected[0].said, &heard.said);
    let status = client.status().await.expect("a state");
    let deaths = core_wire::client::status::DeathCounts { memory: 1, ..Default::default() };
    assert_eq!(status.deaths, deaths);
    let death = status.models[0].last_death.clone().expect("one was lost");
    assert!(death.contains("refused memory"), "{death}");
    println!("of {bytes} bytes and no more: {death}; {same} of {TOKENS} tokens as undisturbed");
}

/// Bytes that a process has mapped for writing.
fn data(pid: u32) -> u64 {
    let field = processes::status_field(pid, "VmData").expect("it runs");
    let kib: u64 = field.trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

/// Lowers the limit on what a worker may map, as its own user: root here may lack the right to.
fn limit(broker: &Broker, worker: u32, bytes: u64) {
    let mut command = Command::new("prlimit");
    command.arg(format!("--pid={worker}")).arg(format!("--data={bytes}:{bytes}"));
    if nix::unistd::geteuid().is_root() {
        command.uid(broker.install.uid).gid(broker.install.uid);
    }
    assert!(command.status().expect("util-linux is there").success(), "the limit is not lowered");
}
