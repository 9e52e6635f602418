//! Two busy models share the cores.

use std::{collections::BTreeMap, time::Duration};

use core_client::Client;
use core_tests::{
    gguf::{self, Shape},
    harness::{Broker, Install},
};
use tokio::task::JoinHandle;

use crate::talk::{Heard, ask, connect, greedy, talk};

/// Tokens of each stream: some twenty turns of 50 ms for both together.
const TOKENS: u32 = 1_000;
/// The longest that a stream may stand still while the other model has the cores: some turns of
/// 50 ms each, on a machine that may be busy with something else.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How much longer two streams may take than one. Twice is what they cost; threads that take the
/// cores from each other were measured to take from eight times as long to three hundred.
const LONGER_MAX: u32 = 4;
/// Tries of which one has to stay below that: the machine may be busy with something else.
const TRIES: usize = 3;
/// How often it is looked at who holds cores: several times in a turn.
const LOOK_EACH: Duration = Duration::from_millis(10);

/// How often a model was seen with cores, and without.
type Seen = BTreeMap<String, (u32, u32)>;

/// Looks at who holds cores until both runs are over; what each was seen with, and the most of all.
async fn watch(client: &Client, runs: &[JoinHandle<Heard>; 2], seen: &mut Seen) -> u32 {
    let mut most = 0;
    while !runs.iter().any(JoinHandle::is_finished) {
        let status = client.status().await.expect("a state");
        most = most.max(status.workers.iter().map(|worker| worker.cores).sum());
        for worker in status.workers {
            let times = seen.entry(worker.model).or_insert((0, 0));
            if worker.cores > 0 { times.0 += 1 } else { times.1 += 1 }
        }
        tokio::time::sleep(LOOK_EACH).await;
    }
    most
}

/// Runs one stream alone and one of each model; how long both took, and the one.
async fn both(client: &Client, seen: &mut Seen) -> (Duration, Duration, u32) {
    let alone = ask(client, greedy("one", 8, TOKENS)).await;
    let runs = ["one", "two"].map(|model| {
        let client = client.clone();
        tokio::spawn(async move { ask(&client, greedy(model, 8, TOKENS)).await })
    });
    let most = watch(client, &runs, seen).await;
    let [one, two] = runs;
    let (one, two) = (one.await.expect("no panic"), two.await.expect("no panic"));
    one.was_undisturbed(TOKENS, PAUSE_MAX);
    two.was_undisturbed(TOKENS, PAUSE_MAX);
    (one.ended.max(two.ended) - one.sent, alone.ended - alone.sent, most)
}

#[test]
fn two_busy_models_take_turns_and_both_make_progress() {
    let install = Install::new().expect("an installation");
    gguf::write_model(&Shape::wide(), &install.model("one")).expect("written");
    gguf::write_model(&Shape::wide().with_seed(2), &install.model("two")).expect("written");
    let broker = Broker::start(install, &[]).expect("a broker");
    broker.load("one");
    broker.load("two");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    talk(async {
        let client = connect(&broker).await;
        let (mut seen, mut tries) = (Seen::new(), Vec::new());
        while tries.len() < TRIES && !tries.iter().any(|(both, one)| *both <= LONGER_MAX * *one) {
            let (took, alone, most) = both(&client, &mut seen).await;
            assert!(most as usize <= cores, "{most} threads computed on {cores} cores");
            tries.push((took, alone));
        }
        println!("seen with and without cores: {seen:?}; (both, one alone) {tries:?}");
        let soon = tries.iter().any(|(both, one)| *both <= LONGER_MAX * *one);
        assert!(soon, "two streams took more than {LONGER_MAX} times as long: {tries:?}");
        assert_eq!(seen.len(), 2);
        for (model, (with, without)) in seen {
            assert!(with > 0 && without > 0, "{model} did not take turns: {with} {without}");
        }
    });
}
