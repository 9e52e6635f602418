//! Five models, memory for two, and everybody at once: each request is answered, and afterwards the
//! broker is as it was.

use std::{collections::BTreeMap, env, fs, time::Duration};

use core_client::{Client, RequestError};
use core_tests::{
    gguf::{self, Shape},
    harness::{Broker, Install, processes},
};
use tokio::task::JoinSet;

use crate::talk::{ask, connect, greedy, talk, until};

/// Operations of the suite; `CORE_OPERATIONS` asks for another number.
const OPERATIONS: usize = 200;
/// Clients that make them, each one after the other.
const CLIENTS: usize = 4;
const MODELS: [&str; 5] = ["a", "b", "c", "d", "e"];
/// Tokens of a request.
const TOKENS: u32 = 12;
/// How long ended workers may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// What the broker may hold beyond what it held before, in percent.
const MORE_PERCENT: u64 = 5;

fn operations() -> usize {
    env::var("CORE_OPERATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(OPERATIONS)
}

/// A model of 15 MB.
fn shape(seed: u64) -> Shape {
    Shape { n_ff: 16_384, ..Shape::wide().with_seed(seed) }
}

fn start(config: &str) -> Broker {
    let install = Install::new().expect("an installation");
    for (seed, model) in (1..).zip(MODELS) {
        gguf::write_model(&shape(seed), &install.model(model)).expect("written");
    }
    fs::write(install.root().join("core.toml"), config).expect("written");
    Broker::start(install, &[]).expect("a broker")
}

/// Numbers that look random and are the same in each run (Knuth, MMIX).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}

/// What came of one operation: its good end, or the name of its refusal.
async fn operate(client: &Client, dice: &mut Dice) -> &'static str {
    let model = MODELS[dice.roll(MODELS.len())];
    let ended = match dice.roll(6) {
        0 => client.load(model).await.expect("sent").finish().await.map(drop),
        1 => client.unload(model).await.expect("sent").finish().await.map(drop),
        2 => {
            // Somebody who leaves before it is ready.
            let mut events = client.generate(greedy(model, 8, TOKENS)).await.expect("sent");
            events.cancel();
            while let Some(event) = events.next().await {
                if let Err(error) = event {
                    return named(&error);
                }
            }
            return "cancelled";
        }
        _ => {
            let heard = ask(client, greedy(model, 8, TOKENS)).await;
            assert!(heard.end.is_err() || heard.said.len() == TOKENS as usize, "truncated");
            heard.end.map(drop)
        }
    };
    ended.map_or_else(|error| named(&error), |()| "done")
}

fn named(error: &RequestError) -> &'static str {
    match error {
        RequestError::Refused(refusal) => refusal.code.name(),
        other => panic!("not answered: {other}"),
    }
}

/// Ends every worker.
async fn unload_all(client: &Client) {
    for model in MODELS {
        client.unload(model).await.expect("sent").finish().await.expect("unloaded");
    }
    until(client, |status| status.workers.is_empty()).await;
}

/// Descriptors and children of the broker, and what it holds in memory.
async fn footprint(broker: &Broker, client: &Client) -> (Vec<(u32, String)>, usize, u64) {
    unload_all(client).await;
    let alone = || broker.workers().is_empty().then_some(());
    assert!(processes::wait_for(GONE_WITHIN, alone).is_some(), "processes are left");
    let rss = client.status().await.expect("a state").broker.rss_bytes;
    (processes::descriptors(broker.pid()), broker.workers().len(), rss)
}

/// A broker whose budget is for two models and a half, and that budget in bytes.
fn small() -> (Broker, u64) {
    let probe = start("[defaults]\nn_ctx = 512\n");
    probe.load("a");
    let granted = talk(async {
        let status = connect(&probe).await.status().await.expect("a state");
        status.workers[0].memory_bytes
    });
    drop(probe);
    let budget_mib = (5 * granted / 2).div_ceil(1 << 20);
    let config = format!("[defaults]\nn_ctx = 512\n[memory]\nbudget_mib = {budget_mib}\n");
    (start(&config), budget_mib << 20)
}

/// Loads all models twice, one after the other: each third one finds its memory because the one
/// that was used least recently goes.
async fn load_all(client: &Client, budget: u64) {
    for model in MODELS.into_iter().chain(MODELS) {
        let loaded = client.load(model).await.expect("sent").finish().await;
        assert!(loaded.is_ok(), "{model}: {loaded:?}");
    }
    let status = client.status().await.expect("a state");
    let granted = status.memory.granted_bytes;
    assert!(granted > budget / 2 && granted <= budget, "{granted} bytes of {budget}");
    assert_eq!(status.workers.len(), 2, "two fit");
}

/// Lets several clients do what they like; how often each thing came of it.
async fn anything(broker: &Broker) -> BTreeMap<&'static str, usize> {
    let mut tasks = JoinSet::new();
    for number in 0..CLIENTS {
        let client = connect(broker).await;
        tasks.spawn(async move {
            let mut dice = Dice(u64::try_from(number).expect("few") + 1);
            let mut seen = Vec::new();
            for _ in 0..operations() / CLIENTS {
                seen.push(operate(&client, &mut dice).await);
            }
            seen
        });
    }
    let mut seen = BTreeMap::new();
    for what in tasks.join_all().await.into_iter().flatten() {
        *seen.entry(what).or_default() += 1;
    }
    seen
}

#[test]
fn everybody_is_answered_and_nothing_is_left_behind() {
    let (broker, budget) = small();
    talk(async {
        let client = connect(&broker).await;
        load_all(&client, budget).await;
        let before = footprint(&broker, &client).await;
        let seen = anything(&broker).await;
        println!("{} operations in {budget} bytes: {seen:?}", operations());
        assert!(seen.get("done") >= Some(&(operations() / 4)), "{seen:?}");
        let fine = ["done", "cancelled", "MEMORY"];
        assert!(seen.keys().all(|what| fine.contains(what)), "{seen:?}");
        let after = footprint(&broker, &client).await;
        assert_eq!(after.0, before.0, "descriptors");
        assert_eq!(after.1, before.1, "processes");
        println!("resident memory of the broker: {} before, {} after", before.2, after.2);
        assert!(after.2 <= before.2 + before.2 * MORE_PERCENT / 100, "memory");
    });
}
