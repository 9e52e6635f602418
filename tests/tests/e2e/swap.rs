//! A model's file is swapped for another while streams run: nobody notices.

use std::{
    env, fs,
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use core_client::{Client, FinishReason, ModelState, RequestError};
use core_tests::{
    gguf::{self, Shape},
    harness::{Broker, Install},
};
use tokio::task::LocalSet;

use crate::talk::{Heard, ask, connect, greedy, talk, until};

/// Swaps of the suite; `CORE_SWAPS` asks for another number.
const SWAPS: usize = 20;
/// Streams that run all the while.
const STREAMS: usize = 4;
/// Tokens of each request: some of them run over a swap whatever its length.
const TOKENS: u32 = 80;
/// Milliseconds that a swap gives what runs where the old worker has to go first: less than a
/// request takes, so that some are parked and continue.
const DRAIN_MS: u32 = 100;
/// How much longer than without failed loads the gap may be that one token in a hundred has.
const LONGER_MAX: Duration = Duration::from_millis(5);
/// Tries of which one has to stay below that: the machine may be busy with something else.
const TRIES: usize = 4;
/// Files that are no models, for each try.
const JUNK: usize = 8;

fn swaps() -> usize {
    env::var("CORE_SWAPS").ok().and_then(|swaps| swaps.parse().ok()).unwrap_or(SWAPS)
}

/// A model of 22 MB, of which 33 MiB hold one.
fn heavy(seed: u64) -> Shape {
    Shape { n_ff: 24_576, ..Shape::wide().with_seed(seed) }
}

/// A broker that serves `m` from m.gguf and has another one, and junk, beside it.
fn broker(shape: fn(u64) -> Shape, config: &str) -> Broker {
    let install = Install::new().expect("an installation");
    gguf::write_model(&shape(1), &install.model("m")).expect("written");
    gguf::write_model(&shape(2), &install.model("other")).expect("written");
    fs::write(install.model("junk"), [0x5a; 10_000]).expect("written");
    fs::write(install.root().join("core.toml"), config).expect("written");
    let broker = Broker::start(install, &[]).expect("a broker");
    broker.load("m");
    broker
}

/// One request after the other until that is enough; how many there were. Half of them are ids,
/// which only the same vocabulary may continue.
async fn stream(client: Client, number: usize, enough: Rc<AtomicBool>) -> usize {
    let mut done = 0;
    while !enough.load(Ordering::Relaxed) {
        let heard = match number % 2 {
            0 => ask(&client, greedy("m", "Once upon a time", TOKENS)).await,
            _ => ask(&client, greedy("m", 8, TOKENS)).await,
        };
        assert_eq!(heard.done().finish_reason, Some(FinishReason::Length));
        assert_eq!(heard.said.len(), TOKENS as usize, "truncated");
        done += 1;
    }
    done
}

/// Runs `work` under continuous streams, all of which have to come to their full length.
async fn under_streams<T>(broker: &Broker, work: impl Future<Output = T>) -> T {
    let local = LocalSet::new();
    local
        .run_until(async {
            let enough = Rc::new(AtomicBool::new(false));
            let mut streams = Vec::new();
            for number in 0..STREAMS {
                let client = connect(broker).await;
                streams.push(tokio::task::spawn_local(stream(client, number, enough.clone())));
            }
            let result = work.await;
            enough.store(true, Ordering::Relaxed);
            for each in streams {
                let done = each.await.expect("no stream fails");
                assert!(done > 0, "a stream that never ran shows nothing");
            }
            result
        })
        .await
}

async fn swap(client: &Client, file: &str) -> Result<(), RequestError> {
    client.swap("m", file).await.expect("sent").finish().await.map(drop)
}

/// Waits until the old workers are gone, and asserts that nothing failed.
async fn settled(client: &Client) {
    until(client, |status| status.workers.len() == 1).await;
    let status = client.status().await.expect("a state");
    assert!(!status.workers[0].outdated, "the new file serves");
    assert_eq!(status.requests.failed, 0, "{status:?}");
}

#[test]
fn streams_go_on_over_many_swaps() {
    let broker = broker(|seed| Shape::wide().with_seed(seed), "[defaults]\nn_ctx = 4096\n");
    talk(async {
        let client = connect(&broker).await;
        let began = Instant::now();
        under_streams(&broker, async {
            for number in 0..swaps() {
                let file = ["other.gguf", "m.gguf"][number % 2];
                swap(&client, file).await.expect("swapped");
            }
        })
        .await;
        settled(&client).await;
        let done = client.status().await.expect("a state").requests.done;
        println!("{} swaps under {STREAMS} streams in {:?}, {done} done", swaps(), began.elapsed());
    });
}

#[test]
fn a_file_that_is_no_model_leaves_the_old_one_serving() {
    let broker = broker(|seed| Shape::wide().with_seed(seed), "[defaults]\nn_ctx = 4096\n");
    talk(async {
        let client = connect(&broker).await;
        let digest = async || {
            let models = client.models().await.expect("the models");
            let model = models.into_iter().find(|model| model.id == "m").expect("it is there");
            assert_eq!(model.state, ModelState::Ready);
            model.sha256
        };
        let before = digest().await;
        under_streams(&broker, async {
            for (file, code) in [
                ("junk.gguf", "MODEL_LOAD"),
                ("missing.gguf", "MODEL_LOAD"),
                ("../m.gguf", "MODEL_PATH"),
                ("/etc/passwd", "MODEL_PATH"),
                ("m.gguf\0", "MODEL_PATH"),
                ("", "MODEL_PATH"),
            ] {
                match swap(&client, file).await {
                    Err(RequestError::Refused(refusal)) => {
                        assert_eq!(refusal.code.name(), code, "{file:?}: {}", refusal.message);
                    }
                    other => panic!("{file:?}: {other:?}"),
                }
            }
        })
        .await;
        assert_eq!(digest().await, before, "the old file serves");
        swap(&client, "other.gguf").await.expect("a good one is swapped after that");
        assert_ne!(digest().await, before);
    });
}

#[test]
fn where_only_one_fits_streams_wait_for_the_new_one_and_lose_nothing() {
    let probe = broker(heavy, "[defaults]\nn_ctx = 1024\n");
    let budget_mib = 3 * grant_mib(&probe) / 2;
    drop(probe);
    let config = format!(
        "swap_drain_ms = {DRAIN_MS}\n[defaults]\nn_ctx = 1024\n\
         [memory]\nbudget_mib = {budget_mib}\n"
    );
    let broker = broker(heavy, &config);
    talk(async {
        let client = connect(&broker).await;
        under_streams(&broker, async {
            for file in ["other.gguf", "m.gguf", "junk.gguf", "other.gguf"] {
                let swapped = swap(&client, file).await;
                assert_eq!(swapped.is_ok(), file != "junk.gguf", "{file}: {swapped:?}");
            }
        })
        .await;
        until(&client, |status| status.workers.len() == 1).await;
        let status = client.status().await.expect("a state");
        assert_eq!(status.requests.failed, 1, "the junk: {status:?}");
    });
}

/// Mebibytes that the worker of `m` was granted.
fn grant_mib(broker: &Broker) -> u64 {
    talk(async {
        let status = connect(broker).await.status().await.expect("a state");
        status.workers[0].memory_bytes.div_ceil(1 << 20)
    })
}

/// The gap before a token that one in a hundred has.
fn gap_p99(heard: &Heard) -> Duration {
    let mut gaps: Vec<_> = heard.said.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    gaps.sort_unstable();
    gaps[gaps.len() * 99 / 100]
}

#[test]
fn failed_loads_hold_up_no_stream_of_another_model() {
    let install = Install::new().expect("an installation");
    gguf::write_model(&Shape::wide(), &install.model("m")).expect("written");
    for number in 0..TRIES * JUNK {
        let junk = [u8::try_from(number).expect("few"); 10_000];
        fs::write(install.model(&format!("junk-{number}")), junk).expect("written");
    }
    let config = "[defaults]\nn_ctx = 4096\nthreads = 1\n";
    fs::write(install.root().join("core.toml"), config).expect("written");
    let broker = Broker::start(install, &[]).expect("a broker");
    broker.load("m");
    talk(async {
        let (client, loader) = (connect(&broker).await, connect(&broker).await);
        let mut tries = Vec::new();
        for number in 0..TRIES {
            let alone = ask(&client, greedy("m", 8, 1_000)).await;
            let loads = async {
                for junk in number * JUNK..(number + 1) * JUNK {
                    let events = loader.load(&format!("junk-{junk}")).await.expect("sent");
                    assert!(events.finish().await.is_err(), "it is no model");
                }
            };
            let (beside, ()) = tokio::join!(ask(&client, greedy("m", 8, 1_000)), loads);
            assert_eq!((alone.said.len(), beside.said.len()), (1_000, 1_000));
            tries.push((gap_p99(&alone), gap_p99(&beside)));
            if tries.iter().any(|(alone, beside)| *beside <= *alone + LONGER_MAX) {
                break;
            }
        }
        println!("gap of one in a hundred, alone and beside {JUNK} failed loads: {tries:?}");
        let held_up = tries.iter().all(|(alone, beside)| *beside > *alone + LONGER_MAX);
        assert!(!held_up, "failed loads held a stream up: {tries:?}");
    });
}
