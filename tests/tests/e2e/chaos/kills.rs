//! SIGKILL at random instants under eight streams.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use core_client::{Client, Event, RequestError, Status};
use core_tests::harness::Broker;
use core_wire::client::status::{WorkerState, WorkerStatus};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    compared, loads_still,
    parting::{BORDER, follow},
    times,
};
use crate::talk::{Heard, PATIENCE, connect, story_with, talk, until};

/// Streams that are open all the time.
const STREAMS: usize = 8;
/// Tokens of each: a request lives through several deaths.
const TOKENS: u32 = 400;
/// Tokens that have to come in time.
const ADVANCE: usize = 20;
/// The longest that a worker lives; the shortest is not at all. On two cores it takes about half of
/// this to compute again what eight streams have said at most.
const LIFE_MS_MAX: u64 = 300;
/// The longest that a worker is left to load before it is killed: about half of what that takes
/// where the file is in the page cache, so that most are hit.
const LOAD_MS_MAX: u64 = 15;
/// Answers that are said again, of all that were finished: each takes about a second.
const COMPARED_MAX: usize = 120;
/// A multiplier whose products look random in their upper half.
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
/// Prompts, so that streams differ.
const PROMPTS: [&str; 4] =
    ["Once upon a time", "Mira gave the red kite to Tom.", "The ball is", "Tom had a"];

/// What all tasks of one run share.
#[derive(Default)]
struct Run {
    over: Cell<bool>,
    killed: Cell<Option<Instant>>,
    /// Milliseconds from each kill to the first token of anybody from another worker.
    gaps_ms: RefCell<Vec<f64>>,
    /// Kills that hit a worker while it loaded.
    loading: Cell<usize>,
    /// What was heard, with the place of its prompt.
    finished: RefCell<Vec<(usize, Heard)>>,
}

impl Run {
    /// Notes how long everybody stood still, at the first token of the next worker: before it come
    /// those that were on their way.
    fn note_gap(&self, heard: &Heard) {
        let next = heard.resumed.last().is_some_and(|&tokens| heard.said.len() == tokens + 1);
        if next && let Some(killed) = self.killed.take() {
            self.gaps_ms.borrow_mut().push(killed.elapsed().as_secs_f64() * 1e3);
        }
    }

    /// How often answers went on after a death.
    fn resumed(&self) -> usize {
        self.finished.borrow().iter().map(|(_, heard)| heard.resumed.len()).sum()
    }
}

#[test]
fn streams_survive_any_number_of_kills() {
    survive("");
}

#[test]
fn streams_survive_kills_with_a_standby() {
    survive("[models.story]\nstandby = true\n");
}

fn survive(config: &str) {
    let broker = story_with(config);
    let kills = times(20, 1000);
    talk(async {
        let client = connect(&broker).await;
        let run = Rc::new(Run::default());
        let local = tokio::task::LocalSet::new();
        let streams: Vec<_> = (0..STREAMS)
            .map(|stream| local.spawn_local(keep_asking(client.clone(), stream, run.clone())))
            .collect();
        let standby = !config.is_empty();
        local.run_until(kill_often(&broker, kills, standby, &run)).await;
        run.over.set(true);
        for stream in streams {
            local.run_until(stream).await.expect("a stream ends well");
        }
        let partings = compare(&client, &run).await;
        report(kills, config, &run, partings);
        assert!(run.resumed() > 0, "no kill hit a request");
        assert!(run.loading.get() > 0, "no kill hit a load");
    });
}

/// Kills a worker again and again, after a random time. Every fourth time it is the one that loads
/// in the place of the last, or a spare. Where there is a spare, two of the other three times wait
/// until that is ready: the rest hit the one that serves while it loads.
async fn kill_often(broker: &Broker, kills: usize, standby: bool, run: &Run) {
    let client = connect(broker).await;
    let mut last = 0;
    for n in 0..kills as u64 {
        let random = (n + 1).wrapping_mul(MIX) >> 33;
        let loads = n % 4 == 1;
        let state = if loads { WorkerState::Loading } else { WorkerState::Ready };
        let worker = until_worker(&client, last, state).await;
        last = worker.pid;
        if standby && n % 4 > 1 {
            until(&client, spare_is_ready).await;
        }
        let life_ms = random % if loads { LOAD_MS_MAX } else { LIFE_MS_MAX };
        tokio::time::sleep(Duration::from_millis(life_ms)).await;
        // What is lost with it counts from the death of the one that served.
        run.killed.set(run.killed.get().filter(|_| loads).or(Some(Instant::now())));
        let loading = loads && loads_still(&client, worker.pid).await;
        // It may have ended by itself only if something is wrong, and then the streams tell.
        kill(Pid::from_raw(worker.pid.cast_signed()), Signal::SIGKILL).expect("it is there");
        run.loading.set(run.loading.get() + usize::from(loading));
    }
}

fn spare_is_ready(status: &Status) -> bool {
    let mut workers = status.workers.iter();
    workers.any(|worker| worker.standby && worker.state == WorkerState::Ready)
}

/// Waits for a worker that is not the one killed last: one that serves somebody, or that loads.
pub(super) async fn until_worker(client: &Client, last: u32, state: WorkerState) -> WorkerStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        let status = client.status().await.expect("a state");
        let wanted = |worker: &WorkerStatus| {
            let serves = worker.state == WorkerState::Ready && !worker.standby && worker.active > 0;
            serves || worker.state == WorkerState::Loading && worker.state == state
        };
        let mut workers = status.workers.into_iter();
        match workers.find(|worker| worker.pid != last && wanted(worker)) {
            Some(worker) => return worker,
            None => assert!(Instant::now() < end, "no worker comes"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// One stream after the other, each of which has to be as if nothing had happened.
async fn keep_asking(client: Client, stream: usize, run: Rc<Run>) {
    while !run.over.get() {
        let which = stream % PROMPTS.len();
        let request = compared("story", PROMPTS[which], TOKENS);
        let events = client.generate(request).await.expect("it can be sent");
        let mut heard = Heard::new(Instant::now());
        let mut events = events;
        while matches!(heard.end, Err(RequestError::Lost)) {
            // What is waited for is progress: a request lives through dozens of loads.
            let goal = heard.said.len() + ADVANCE;
            let at_goal = |heard: &Heard| {
                run.note_gap(heard);
                heard.said.len() >= goal
            };
            heard.until(&mut events, at_goal).await;
        }
        assert_eq!(
            heard.said.len(),
            TOKENS as usize,
            "tokens are missing or doubled: {:?}",
            heard.end
        );
        assert!(matches!(heard.end, Ok(Event::Done(_))), "{:?}", heard.end);
        run.finished.borrow_mut().push((which, heard));
    }
}

/// Says answers again without a kill, and from each token that was tipped on once more, so that
/// every token of them is looked at; how many answers that were, and how far tipped tokens were
/// from the likeliest.
async fn compare(client: &Client, run: &Run) -> (usize, Vec<f32>) {
    let (mut compared, mut tipped) = (0, Vec::new());
    let finished = run.finished.take();
    for (which, heard) in finished.iter().step_by(finished.len().div_ceil(COMPARED_MAX)) {
        compared += 1;
        tipped.extend(follow(client, PROMPTS[*which], heard).await);
    }
    run.finished.replace(finished);
    (compared, tipped)
}

fn report(kills: usize, config: &str, run: &Run, (compared, tipped): (usize, Vec<f32>)) {
    let near = tipped.iter().filter(|distance| **distance <= BORDER).count();
    let (far, farthest) = (tipped.len() - near, tipped.iter().copied().fold(0.0, f32::max));
    let mut gaps = run.gaps_ms.borrow().clone();
    gaps.sort_by(f64::total_cmp);
    let at = |share: usize| gaps.get((gaps.len() * share / 100).min(gaps.len() - 1)).copied();
    let spare = if config.is_empty() { "without standby" } else { "with standby" };
    println!(
        "{kills} kills {spare}, {} of them during a load: {} requests of {TOKENS} tokens, resumed \
         {} times, no token missing or twice; in {compared} of them each token is the likeliest \
         behind those before it, but for {near} within {BORDER} of that and {far} farther \
         ({farthest:.2} at most); from the kill to anybody's next token p50 {:.0} ms, p99 {:.0} ms",
        run.loading.get(),
        run.finished.borrow().len(),
        run.resumed(),
        at(50).unwrap_or(f64::NAN),
        at(99).unwrap_or(f64::NAN),
    );
}
