//! S10, P22, F22: what must work works under the filters, and a name is never a path.

use std::process::Command;

use core_client::{Client, Generate, Params, Prompt, Token};
use core_tests::harness::{Broker, Install, Setup, processes};

use super::{ensure, with_model};
use crate::skip::skip;

/// Starts of a worker, with a thread that begins in each while filters are installed.
const STARTS: usize = 200;
/// The context that is served, and what is generated behind each prompt.
const CONTEXT: usize = 4096;
const BEHIND: u32 = 8;
/// Prompt sizes in tokens: one, around a batch, and up to the whole context.
const SIZES: [usize; 8] = [1, 2, 255, 256, 257, 1500, 3000, CONTEXT - BEHIND as usize];
/// Tokens of one stream.
const STREAM: u32 = 2000;

fn talk<T>(work: impl Future<Output = Setup<T>>) -> Setup<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

async fn session(broker: &Broker) -> Setup<Client> {
    let token = Token::read_file(&broker.install.token_file())?;
    Ok(Client::connect(&broker.install.socket(), &token).await?)
}

fn greedy(prompt: Prompt, max_tokens: u32) -> Generate {
    let params = Params { max_tokens, temperature: 0.0, ignore_eos: true, ..Params::default() };
    Generate { model: "long".into(), prompt, params }
}

/// S10: with an OpenMP team of two.
pub(super) fn alive() -> Setup<()> {
    alive_with(2)
}

/// S10: with one thread, where OpenMP makes no team.
pub(super) fn alive_alone() -> Setup<()> {
    alive_with(1)
}

/// S10: two thousand tokens, prompts of many sizes, a cancelled stream and refused requests, all in
/// one worker, which is the same one afterwards.
fn alive_with(threads: usize) -> Setup<()> {
    let install = Install::new()?;
    install.add_long()?;
    let config = format!("[defaults]\nthreads = {threads}\nn_ctx = {CONTEXT}\n");
    std::fs::write(install.root().join("core.toml"), config)?;
    let broker = Broker::start(install, &[])?;
    let worker = broker.try_load("long")?;
    let team = processes::status_field(worker, "Threads").unwrap_or_default();
    ensure(team == threads.to_string(), || format!("invalid: {team} threads, not {threads}"))?;
    talk(async {
        let client = session(&broker).await?;
        for size in SIZES {
            let prompt = Prompt::Tokens(vec![65; size]);
            let answer = client.generate(greedy(prompt, BEHIND)).await?.finish().await;
            answer.map_err(|error| format!("a prompt of {size}: {error}"))?;
        }
        let stream = client.generate(greedy(Prompt::Text("Once".into()), STREAM)).await?;
        stream.finish().await.map_err(|error| format!("{STREAM} tokens: {error}"))?;
        let mut cancelled = client.generate(greedy(Prompt::Text("Once".into()), 4000)).await?;
        let _first = cancelled.next().await;
        drop(cancelled);
        let too_long = greedy(Prompt::Tokens(vec![65; 100_000]), 4);
        let no_token = greedy(Prompt::Tokens(vec![u32::MAX]), 4);
        for request in [too_long, no_token] {
            let refused = match client.generate(request).await {
                Ok(events) => events.finish().await.is_err(),
                Err(_) => true,
            };
            ensure(refused, || "invalid: what is wrong was not refused".into())?;
        }
        let text = client.generate(greedy(Prompt::Text("Once".into()), 4)).await?.finish().await;
        text.map(drop).map_err(Into::into)
    })?;
    ensure(broker.worker("long") == Some(worker), || format!("another worker: {}", broker.log()))?;
    ensure(!broker.log().contains("SIGSYS"), || broker.log())
}

/// S10: the same tokens as the engine gives without a sandbox.
pub(super) fn same_tokens() -> Setup<()> {
    let broker = with_model()?;
    if broker.install.add_bare().is_err() {
        return skip("the bare engine was not built: cargo build -p core-tests --features bare");
    }
    let mut bare = Command::new(broker.install.program("bare"));
    bare.env_clear().envs(core_policy::env::worker_env(2)).arg(broker.install.model("story"));
    bare.args(["--prompt", PROMPT, "-n", COMPARED, "--ctx", "512", "--threads", "2"]);
    let output = bare.output()?;
    let told: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let arguments = ["run", "story", PROMPT, "-n", COMPARED, "--temp", "0", "--ignore-eos"];
    let locked = broker.corectl(&arguments);
    let tokens = serde_json::Value::from(locked.tokens());
    let many = tokens.as_array().is_some_and(|tokens| !tokens.is_empty());
    ensure(many && told["tokens"][0] == tokens, || format!("{told} against {tokens}"))
}

/// What both are given, and how much is compared.
const PROMPT: &str = "Once upon a time";
const COMPARED: &str = "64";

/// P22: every start gets to READY: no thread is caught by a filter while it begins.
pub(super) fn starts() -> Setup<()> {
    let broker = with_model()?;
    talk(async {
        let client = session(&broker).await?;
        for start in 0..STARTS {
            let loaded = client.load("story").await?.finish().await;
            loaded.map_err(|error| format!("start {start}: {error}"))?;
            client.unload("story").await?.finish().await?;
        }
        Ok(())
    })?;
    let deaths = broker.log().matches("SIGSYS").count();
    ensure(deaths == 0, || format!("{deaths} of {STARTS} starts died of a filter"))
}

/// F22: names that would be paths, or that look like others.
pub(super) fn names() -> Setup<()> {
    let broker = with_model()?;
    let outside = broker.path("root/outside.gguf");
    std::fs::copy(core_tests::harness::install::story(), &outside)?;
    let names = hostile_names(&broker);
    talk(async {
        let client = session(&broker).await?;
        for name in &names {
            let refused = match client.load(name).await {
                Ok(events) => events.finish().await.is_err(),
                Err(_) => true,
            };
            ensure(refused, || format!("{name:?} was loaded"))?;
        }
        Ok(())
    })?;
    ensure(broker.workers().is_empty(), || "a worker was started".into())?;
    let known = broker.corectl(&["load", "story"]);
    ensure(known.code == 0, || format!("invalid: the right name fails too: {known:?}"))?;
    let bad = broker.log().lines().filter(|line| line.contains("passwd")).count();
    ensure(bad == 0, || "a path of a client is in the log".into())
}

/// Paths of every kind, and what looks like a name and is another.
fn hostile_names(broker: &Broker) -> Vec<String> {
    let absolute = broker.path("root/models/story").to_string_lossy().into_owned();
    let words = [
        "../outside",
        "..",
        ".",
        "",
        "/",
        "//story",
        "./story",
        "story/",
        "story/../story",
        "../models/story",
        "story\0",
        "story\0.gguf",
        "\u{202e}yrots",
        "story\u{200b}",
        "story.gguf",
        "../../../../etc/passwd",
        "/etc/passwd",
    ];
    let words = words.iter().map(|word| (*word).to_owned());
    words.chain([absolute, "x".repeat(4096)]).collect()
}
