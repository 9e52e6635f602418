//! Two busy models share the cores.

use std::{collections::BTreeMap, time::Duration};

use core_client::Client;
use core_tests::harness::{Broker, Install, Setup};
use core_wire::client::Params;

use crate::client::{ask, connect, generate, wait};

/// Tokens of each request: most of the story's context.
const TOKENS: u32 = 400;
/// Requests of each model, one after another: some seconds for both together.
const REQUESTS: usize = 3;

fn params() -> Params {
    Params { max_tokens: TOKENS, ignore_eos: true, temperature: 0.0, ..Params::default() }
}

/// Looks at who holds cores until both runs are over; what each was seen with, and the most of all.
async fn watch(client: Client, runs: Vec<tokio::task::JoinHandle<()>>) -> Setup<(Seen, u32)> {
    let (mut seen, mut most) = (Seen::new(), 0);
    while !runs.iter().all(|run| run.is_finished()) {
        let status = client.status().await?;
        let cores = status.workers.iter().map(|worker| worker.cores);
        most = most.max(cores.sum());
        for worker in status.workers {
            let times = seen.entry(worker.model).or_insert((0, 0));
            if worker.cores > 0 { times.0 += 1 } else { times.1 += 1 }
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    for run in runs {
        run.await?;
    }
    Ok((seen, most))
}

/// How often a model was seen with cores, and without.
type Seen = BTreeMap<String, (u32, u32)>;

/// Requests of one model, one after another.
async fn run(client: Client, model: &'static str) {
    for _ in 0..REQUESTS {
        let told = generate(&client, ask(model, "Once upon a time", params())).await;
        let told = told.expect("an answer");
        assert_eq!(told.tokens[0].len(), TOKENS as usize, "{:?}", told.error);
    }
}

#[test]
fn two_busy_models_take_turns_and_both_finish() {
    let install = Install::new().expect("an installation");
    let story = install.add_story().expect("the story");
    install.add_model("other", &story).expect("a second model");
    let broker = Broker::start(install, &[]).expect("a broker");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (seen, most) = wait(async {
        let client = connect(&broker).await?;
        for model in ["story", "other"] {
            client.load(model).await?.finish().await?;
        }
        let local = tokio::task::LocalSet::new();
        let runs = ["story", "other"].map(|model| local.spawn_local(run(client.clone(), model)));
        local.run_until(watch(client.clone(), runs.into())).await
    });
    println!("seen with and without cores: {seen:?}; most at once: {most} of {cores}");
    assert!(most as usize <= cores, "{most} threads computed on {cores} cores");
    for (model, (with, without)) in seen {
        assert!(with > 0 && without > 0, "{model} did not take turns: {with} {without}");
    }
}
