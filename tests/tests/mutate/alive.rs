//! What must work: a worker answers prompts of many sizes, is interrupted, embeds, keeps and reads
//! contexts, is asked about, and ends in order. Nothing of it may die of a filter.

use std::time::Duration;

use core_client::{Client, Generate, Params, Prompt, Special, Token};
use core_tests::harness::{Broker, Setup, processes};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Prompt sizes in tokens: one, around a batch, and one that makes the engine take memory.
const SIZES: [usize; 3] = [1, 257, 1500];
/// Tokens of the longest stream.
const STREAM: u32 = 300;
/// How long all of it may take; by itself it takes a second.
const ALIVE_MAX: Duration = Duration::from_secs(30);
/// How long a process stands still when it is interrupted.
const PAUSE: Duration = Duration::from_millis(30);
/// How long a worker that was told to stop may take.
const END_MAX: Duration = Duration::from_secs(5);

/// Whether a broker and the worker of its model `long` do all of it.
///
/// # Errors
/// What did not work, first of all.
pub(crate) fn alive(broker: &Broker, worker: u32) -> Setup<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let work = tokio::time::timeout(ALIVE_MAX, served(broker, worker));
        work.await.map_err(|_| "it takes too long")?
    });
    served.map_err(|error| format!("{error}{}", signal_in(broker)))?;
    let gone = || (!processes::alive(worker)).then_some(());
    processes::wait_for(END_MAX, gone).ok_or("the worker does not end")?;
    // The broker collects it a moment later, and then it says how it ended.
    std::thread::sleep(PAUSE);
    let signal = signal_in(broker);
    if signal.is_empty() { Ok(()) } else { Err(format!("an end in order:{signal}").into()) }
}

/// Whether a broker notices that its worker was killed, collects it, and starts another one.
///
/// # Errors
/// What it did instead.
pub(crate) fn is_replaced(broker: &Broker, worker: u32) -> Setup<()> {
    kill(Pid::from_raw(worker.cast_signed()), Signal::SIGKILL)?;
    let gone = || processes::status_field(worker, "State").is_none().then_some(());
    processes::wait_for(END_MAX, gone).ok_or("a killed worker is not collected")?;
    let next = broker.try_load("long")?;
    if next == worker { Err("a killed worker is still told of".into()) } else { Ok(()) }
}

/// Whether a broker that is told to end does so in order, with its worker, and leaves no socket.
///
/// # Errors
/// What it left, or how it ended instead.
pub(crate) fn ends(broker: &mut Broker) -> Setup<()> {
    broker.signal(Signal::SIGTERM);
    let status = broker.wait().ok_or("the broker does not end")?;
    if !status.success() {
        return Err(format!("the broker ended by {status}").into());
    }
    if broker.install.socket().exists() {
        return Err("the broker left its socket".into());
    }
    Ok(())
}

fn signal_in(broker: &Broker) -> String {
    if broker.log().contains("SIGSYS") { " (SIGSYS)".into() } else { String::new() }
}

async fn served(broker: &Broker, worker: u32) -> Setup<()> {
    let token = Token::read_file(&broker.install.token_file())?;
    let client = Client::connect(&broker.install.socket(), &token).await?;
    for size in SIZES {
        let answer = client.generate(greedy(tokens(size), 8)).await?.finish().await;
        answer.map_err(|error| format!("a prompt of {size}: {error}"))?;
    }
    client.save("long", "mutant").await.map_err(|error| format!("save: {error}"))?;
    client.restore("long", "mutant").await.map_err(|error| format!("restore: {error}"))?;
    let stream = client.generate(greedy(text(), STREAM)).await?.finish().await;
    stream.map_err(|error| format!("{STREAM} tokens: {error}"))?;
    client.embed("long", tokens(40)).await.map_err(|error| format!("embed: {error}"))?;
    interrupted(&client, worker).await.map_err(|error| format!("interrupted: {error}"))?;
    refused(&client).await?;
    let ids = client.tokenize("long", "Once", Special::Prompt).await;
    let ids = ids.map_err(|error| format!("tokenize: {error}"))?;
    client.detokenize("long", ids).await.map_err(|error| format!("detokenize: {error}"))?;
    client.models().await.map_err(|error| format!("models: {error}"))?;
    client.audit().await.map_err(|error| format!("audit: {error}"))?;
    let status = client.status().await.map_err(|error| format!("status: {error}"))?;
    if status.workers.iter().all(|found| found.pid != worker) {
        return Err("another worker serves".into());
    }
    client.unload("long").await?.finish().await.map_err(|error| format!("unload: {error}"))?;
    Ok(())
}

/// Stopped and continued, while it waits and while it computes; then a stream is cancelled.
async fn interrupted(client: &Client, worker: u32) -> Setup<()> {
    let pid = Pid::from_raw(worker.cast_signed());
    for computes in [false, true] {
        let mut stream = client.generate(greedy(text(), if computes { 9000 } else { 4 })).await?;
        while let Some(event) = stream.next().await {
            event?;
            if computes {
                break;
            }
        }
        kill(pid, Signal::SIGSTOP)?;
        tokio::time::sleep(PAUSE).await;
        kill(pid, Signal::SIGCONT)?;
        tokio::time::sleep(PAUSE).await;
    }
    client.generate(greedy(text(), 4)).await?.finish().await?;
    Ok(())
}

/// A request that cannot be served ends that request and nothing else.
async fn refused(client: &Client) -> Setup<()> {
    let refused = match client.generate(greedy(Prompt::Tokens(vec![u32::MAX]), 4)).await {
        Ok(events) => events.finish().await.is_err(),
        Err(_) => true,
    };
    if refused { Ok(()) } else { Err("what is wrong was not refused".into()) }
}

fn greedy(prompt: Prompt, max_tokens: u32) -> Generate {
    let params = Params { max_tokens, temperature: 0.0, ignore_eos: true, ..Params::default() };
    Generate { model: "long".into(), prompt, params }
}

fn tokens(size: usize) -> Prompt {
    Prompt::Tokens(vec![65; size])
}

fn text() -> Prompt {
    Prompt::Text("Once".into())
}
