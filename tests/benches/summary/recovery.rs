//! How long a stream stands still when its worker is killed: with a spare and without one, beside
//! what that must take, a load from page cache and the prompt with all that was said computed
//! again.

use std::{
    thread,
    time::{Duration, Instant},
};

use core_client::{Client, Status};
use core_tests::harness::{Broker, Setup, processes};
use core_wire::client::{Event, Priority, status::WorkerState};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    STEP_MS_MAX, Served,
    report::{Report, median},
    rounds, stream, unload,
};

/// The large model, whose worker takes a while to load.
const MODEL: &str = "m164-lost";
/// As the name says.
pub(crate) const SERVED: Served =
    Served { model: MODEL, n_ctx: 4096, slots: 4, step_ms_max: STEP_MS_MAX };
/// The same model with a spare.
const STANDBY_MODEL: &str = "m164-standby";
/// As the name says.
pub(crate) const STANDBY: Served = Served { model: STANDBY_MODEL, ..SERVED };
/// Tokens of the prompt: a short talk, a third of a second of prefill.
const PROMPT: usize = 128;
/// Tokens that were said when the worker is killed.
const SAID: usize = 16;
/// Tokens of the answer.
const TOKENS: u32 = 24;
/// Deaths of each kind; odd, so that the median is a sample. A round takes some three seconds.
const ROUNDS: usize = 21;
/// What a recovery may take beyond a load and a prefill.
const EXTRA_MS: f64 = 20.0;
/// How long a worker, or its spare, may take to be ready.
const READY_MAX: Duration = Duration::from_secs(60);
/// How often a state is looked at that is waited for.
const LOOK_EACH: Duration = Duration::from_millis(5);
/// How often it is looked whether a worker that was killed has ended.
const DEATH_EACH: Duration = Duration::from_micros(200);

/// How long a stream stood still, in milliseconds.
struct Gap {
    /// From the signal on.
    killed_ms: f64,
    /// From when the kernel had taken the process apart, which is when a broker can know.
    died_ms: f64,
}

/// Measures the gaps, and what they are compared with, in turns.
///
/// # Errors
/// A stream ends otherwise than as asked, or no worker becomes ready.
pub(crate) fn measure(broker: &Broker, report: &mut Report) -> Setup<()> {
    let (mut loads, mut prefills, mut gaps, mut spared) = (vec![], vec![], vec![], vec![]);
    // The page cache is warm after a first load, and the machine awake.
    stream::block_on(async { load(&stream::connect(broker).await?).await })?;
    for round in 0..rounds(ROUNDS)? {
        stream::block_on(async {
            let client = stream::connect(broker).await?;
            loads.push(load(&client).await?);
            prefills.push(prefill(&client, round).await?);
            gaps.push(gap(&client, MODEL, round).await?);
            unload_worker(&client, MODEL).await?;
            client.load(STANDBY_MODEL).await?.finish().await?;
            until(&client, |status| worker(status, STANDBY_MODEL, true).is_some()).await?;
            spared.push(gap(&client, STANDBY_MODEL, round).await?);
            unload_worker(&client, STANDBY_MODEL).await
        })?;
    }
    tell(report, &loads, &prefills, [&gaps, &spared]);
    unload(broker, MODEL)
}

fn tell(report: &mut Report, loads: &[f64], prefills: &[f64], [gaps, spared]: [&[Gap]; 2]) {
    let split = |gaps: &[Gap]| -> (Vec<f64>, Vec<f64>) {
        gaps.iter().map(|gap| (gap.killed_ms, gap.died_ms)).unzip()
    };
    let ((killed, died), (spare_killed, spare_died)) = (split(gaps), split(spared));
    let samples = [("load_ms", loads), ("prefill_ms", prefills), ("gap_ms", &*died)];
    report.raw("recovery", 0, &samples);
    report.raw("recovery", 1, &[("gap_with_standby_ms", &spare_died)]);
    let (gap, least) = (median(&died), median(loads) + median(prefills));
    // A round's own load and prefill have the machine as the round found it.
    let least_each = loads.iter().zip(prefills).map(|(load, prefill)| load + prefill);
    let over: Vec<f64> = died.iter().zip(least_each).map(|(gap, least)| gap - least).collect();
    report.figure("recovery_load_ms", median(loads));
    report.figure("recovery_prefill_ms", median(prefills));
    report.figure("recovery_gap_ms", gap);
    report.figure("recovery_gap_over_ms", median(&over));
    report.figure("recovery_gap_from_kill_ms", median(&killed));
    report.figure("recovery_gap_with_standby_ms", median(&spare_died));
    report.figure("recovery_gap_from_kill_with_standby_ms", median(&spare_killed));
    let holds = if gap <= least + EXTRA_MS { "holds" } else { "does not hold" };
    println!(
        "from a death to the next token, p50 of {}: {gap:.0} ms <= load and prefill of {least:.0} \
         ms + {EXTRA_MS} ms {holds}; {:.0} ms over both, round by round; from the kill {:.0} ms; \
         with a spare {:.0} and {:.0} ms",
        gaps.len(),
        median(&over),
        median(&killed),
        median(&spare_died),
        median(&spare_killed),
    );
}

/// Milliseconds of a load of what is in the page cache: the file was hashed and inspected before.
async fn load(client: &Client) -> Setup<f64> {
    client.load(MODEL).await?.finish().await?;
    unload_worker(client, MODEL).await?;
    let start = Instant::now();
    client.load(MODEL).await?.finish().await?;
    Ok(stream::ms(start.elapsed()))
}

/// Milliseconds to the first token behind as much as the next worker has to compute again.
async fn prefill(client: &Client, round: usize) -> Setup<f64> {
    let prompt = stream::ids(PROMPT + SAID, 2 * round);
    let request = stream::greedy(MODEL, prompt, 1, Priority::Normal);
    stream::run(client.clone(), request).await?.first_ms()
}

/// From the kill of a stream's worker to the next token, which is another worker's.
async fn gap(client: &Client, model: &str, round: usize) -> Setup<Gap> {
    let prompt = stream::ids(PROMPT, 2 * round + 1);
    let request = stream::greedy(model, prompt, TOKENS, Priority::Normal);
    let mut events = client.generate(request).await?;
    let pid = worker(&client.status().await?, model, false).ok_or("no worker serves")?;
    let (mut said, mut killed, mut next, mut resumed) = (0, None, None, false);
    while let Some(event) = events.next().await {
        match event? {
            Event::Token { .. } => said += 1,
            Event::Resumed { .. } => {
                resumed = true;
                continue;
            }
            Event::Done(done) if done.usage.completion_tokens == TOKENS => break,
            Event::Queued { .. } | Event::Progress { .. } => continue,
            other => return Err(format!("a stream that was lost goes on as {other:?}").into()),
        }
        if said == SAID {
            let dying = thread::spawn(move || death(pid));
            kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL)?;
            killed = Some((Instant::now(), dying));
        }
        if resumed {
            next = next.or_else(|| Some(Instant::now()));
        }
    }
    let (killed, dying) = killed.ok_or("the stream was too short")?;
    let next = next.ok_or("the stream was not resumed")?;
    let died = dying.join().map_err(|_| "the thread that looks panicked")?;
    let since = |moment| stream::ms(next.duration_since(moment));
    Ok(Gap { killed_ms: since(killed), died_ms: since(died) })
}

/// When a process was no more, at the latest after [`READY_MAX`].
fn death(pid: u32) -> Instant {
    let end = Instant::now() + READY_MAX;
    while !is_gone(pid) && Instant::now() < end {
        thread::sleep(DEATH_EACH);
    }
    Instant::now()
}

/// Whether no thread of a process is left: its memory is taken apart by the last one, and its first
/// may have ended before.
fn is_gone(pid: u32) -> bool {
    !processes::alive(pid) && processes::tasks(pid).len() <= 1
}

async fn unload_worker(client: &Client, model: &str) -> Setup<()> {
    client.unload(model).await?.finish().await?;
    until(client, |status| status.workers.iter().all(|worker| worker.model != model)).await
}

/// The worker of a model that is ready, or its spare.
fn worker(status: &Status, model: &str, standby: bool) -> Option<u32> {
    let ready = status.workers.iter().filter(|worker| worker.state == WorkerState::Ready);
    let mut of = ready.filter(|worker| worker.model == model && worker.standby == standby);
    of.next().map(|worker| worker.pid)
}

async fn until(client: &Client, so: impl Fn(&Status) -> bool) -> Setup<()> {
    let end = Instant::now() + READY_MAX;
    while !so(&client.status().await?) {
        if Instant::now() > end {
            return Err("no worker comes to that state".into());
        }
        tokio::time::sleep(LOOK_EACH).await;
    }
    Ok(())
}
