//! A request that drives every worker that it meets out of memory, and those that happen to be
//! there.
//!
//! A worker maps all that a request can need while it loads, and is granted that. So what is not
//! there fails when it is touched, and only on a machine that has less than was granted: a memory
//! cgroup around broker and workers plays one. That the rest holds is measured beside it.

use std::{fs, time::Instant};

use core_client::{Client, Special};
use core_policy::limits;
use core_tests::{
    gguf::{self, Shape},
    harness::{Broker, Install, Machine, processes},
};
use tokio::task::LocalSet;

use super::{compared, serving, victim::Victim};
use crate::{
    compare::same_to_a_border,
    talk::{Heard, ask, broker_with, connect, hear, talk},
};

/// Tokens of the others.
const TOKENS: u32 = 500;
const PROMPTS: [&str; 3] = ["Once upon", "Mira gave", "Tom had"];
/// Tokens of the prompt that is too much: its cells take 48 MiB.
const POISON: usize = 12_000;
/// What the machine has while nothing is measured.
const LARGE_BYTES: u64 = 1 << 30;
/// What it has beyond what a worker and its broker used for the others, some of which is page
/// cache that can be given back.
const SPARE_BYTES: u64 = 12 << 20;
/// Bytes of the largest text: nearly a frame, and far more tokens than any context here.
const TEXT_BYTES: usize = 900_000;

/// A model whose cells are large beside its weights: 4 KiB each.
fn shape() -> Shape {
    Shape {
        n_embd: 512,
        n_head: 8,
        n_head_kv: 8,
        head_dim: 64,
        n_ff: 1024,
        n_ctx: 16_384,
        ..Shape::wide()
    }
}

#[test]
fn a_request_that_takes_too_much_memory_fails_alone() {
    let Some(machine) = machine() else {
        return;
    };
    let install = Install::new().expect("an installation");
    gguf::write_model(&shape(), &install.model("long")).expect("a model");
    let config = "[models.long]\nslots = 4\nn_ctx = 16384\n";
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
        same.push(same_to_a_border(expected, &heard));
    }
    let status = client.status().await.expect("a state");
    assert_eq!((status.deaths.memory, status.deaths.killed), (3, 0), "{:?}", status.deaths);
    assert_eq!(status.requests.failed, 1, "{:?}", status.requests);
    println!(
        "on a machine of {} MiB the kernel ended 3 workers of one request; the {} others have \
         {same:?} of {TOKENS} tokens as undisturbed, up to one that is as likely as its own",
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

/// A worker that may not map another byte still serves: the largest text that a frame holds, and
/// an answer of its full length.
#[test]
fn a_worker_maps_all_that_requests_need_while_it_loads() {
    let broker = broker_with("[models.long]\nn_ctx = 32768\n");
    talk(async {
        let client = connect(&broker).await;
        let expected = undisturbed(&client).await;
        let worker = serving(&client, "long").await.expect("it serves").pid;
        let bytes = data(worker);
        limits::set_data(worker.cast_signed(), bytes).expect("its user's or root's to lower");
        let text = "Once upon a time there was a small boat ".repeat(TEXT_BYTES / 40);
        let tokens = client.tokenize("long", &text, Special::Plain).await.expect("tokens").len();
        let refused = ask(&client, compared("long", text.as_str(), 2)).await.refusal();
        assert_eq!(refused.0, "PROMPT_TOO_LONG", "{}", refused.1);
        for (expected, again) in expected.iter().zip(&undisturbed(&client).await) {
            same_to_a_border(expected, again);
        }
        assert_eq!(serving(&client, "long").await.expect("it serves").pid, worker);
        println!(
            "a worker that may map its {bytes} bytes and no more took {tokens} tokens of text"
        );
    });
}

/// Bytes that a process has mapped for writing.
fn data(pid: u32) -> u64 {
    let field = processes::status_field(pid, "VmData").expect("it runs");
    let kib: u64 = field.trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}
