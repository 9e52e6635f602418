//! SIGKILL at random instants under eight streams.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use core_client::{Client, Event, FinishReason, Grammar, Params, Prompt, RequestError, Status};
use core_tests::harness::Broker;
use core_wire::client::status::{WorkerState, WorkerStatus};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{compared, loads_still, times};
use crate::{
    compare::same_within,
    talk::{Heard, PATIENCE, ask, connect, story_with, talk, until},
};

/// Streams that are open all the time.
const STREAMS: usize = 8;
/// Tokens of each: a request lives through several deaths.
const TOKENS: u32 = 400;
/// Tokens that have to come in time.
const ADVANCE: usize = 20;
/// The longest that a worker lives; the shortest is not at all.
const LIFE_MS_MAX: u64 = 120;
/// The longest that a worker is left to load before it is killed: about as long as that takes.
const LOAD_MS_MAX: u64 = 60;
/// A multiplier whose products look random in their upper half.
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
/// How far apart two tokens may be of which either can be chosen, in log probability. What was said
/// before a kill is computed again as a prompt, many tokens at a time where it was one: that moves
/// the numbers more than what else runs beside does, and each kill does so once more.
const BORDER: f32 = 0.1;
/// Prompts, so that streams differ.
const PROMPTS: [&str; 4] =
    ["Once upon a time", "Mira gave the red kite to Tom.", "The ball is", "Tom had a"];

/// What all tasks of one run share.
#[derive(Default)]
struct Run {
    over: Cell<bool>,
    killed: Cell<Option<Instant>>,
    /// Milliseconds from each kill to the first token of anybody from another worker.
    gaps_ms: std::cell::RefCell<Vec<f64>>,
    /// Kills that hit a worker while it loaded.
    loading: Cell<usize>,
    finished: Cell<usize>,
    /// Those of them that said what an undisturbed run did, to the last token.
    equal: Cell<usize>,
    /// Tokens of all up to the first that was not an undisturbed run's.
    same: Cell<usize>,
    resumed: Cell<usize>,
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
        let mut expected = Vec::new();
        for prompt in PROMPTS {
            expected.push(ask(&client, compared("story", prompt, TOKENS)).await);
        }
        let run = Rc::new(Run::default());
        let expected = Rc::new(expected);
        let local = tokio::task::LocalSet::new();
        let streams: Vec<_> = (0..STREAMS)
            .map(|stream| {
                local.spawn_local(keep_asking(
                    client.clone(),
                    stream,
                    expected.clone(),
                    run.clone(),
                ))
            })
            .collect();
        let standby = !config.is_empty();
        local.run_until(kill_often(&broker, kills, standby, &run)).await;
        run.over.set(true);
        for stream in streams {
            local.run_until(stream).await.expect("a stream ends well");
        }
        report(kills, config, &run);
        assert!(run.resumed.get() > 0, "no kill hit a request");
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
async fn until_worker(client: &Client, last: u32, state: WorkerState) -> WorkerStatus {
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
async fn keep_asking(client: Client, stream: usize, expected: Rc<Vec<Heard>>, run: Rc<Run>) {
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
        let same = same_within(BORDER, &expected[which], &heard);
        run.equal.set(run.equal.get() + usize::from(same == heard.said.len()));
        run.same.set(run.same.get() + same);
        run.finished.set(run.finished.get() + 1);
        run.resumed.set(run.resumed.get() + heard.resumed.len());
    }
}

fn report(kills: usize, config: &str, run: &Run) {
    let mut gaps = run.gaps_ms.borrow().clone();
    gaps.sort_by(f64::total_cmp);
    let at = |share: usize| gaps.get((gaps.len() * share / 100).min(gaps.len() - 1)).copied();
    let spare = if config.is_empty() { "without standby" } else { "with standby" };
    println!(
        "{kills} kills {spare}, {} of them during a load: {} requests of {TOKENS} tokens, resumed \
         {} times, no token missing or twice; {} equal to an undisturbed run to the end, the \
         others up to a token within {BORDER} of its own, {} tokens in all; from the kill to \
         anybody's next token p50 {:.0} ms, p99 {:.0} ms",
        run.loading.get(),
        run.finished.get(),
        run.resumed.get(),
        run.equal.get(),
        run.same.get(),
        at(50).unwrap_or(f64::NAN),
        at(99).unwrap_or(f64::NAN),
    );
}

/// An answer that a grammar binds is still one after its worker was lost in its middle.
#[test]
fn a_grammar_still_holds_after_a_kill() {
    let broker = story_with("");
    talk(async {
        let client = connect(&broker).await;
        // Without spaces, of which there could be any number.
        let schema = r#"{"x-guidance": {"whitespace_flexible": false}, "type": "object",
            "properties": {"a": {"type": "array", "items": {"enum": ["kite", "ball"]},
            "minItems": 40, "maxItems": 60}}, "required": ["a"], "additionalProperties": false}"#;
        for _ in 0..times(3, 50) {
            let params = Params {
                max_tokens: 4000,
                grammar: Some(Grammar::JsonSchema(schema.into())),
                ..Params::default()
            };
            let prompt = Prompt::Text("Numbers:".into());
            let request = core_client::Generate { model: "story".into(), prompt, params };
            let mut events = client.generate(request).await.expect("it can be sent");
            let mut heard = Heard::new(Instant::now());
            heard.until(&mut events, |heard| heard.said.len() > 20).await;
            let worker = until_worker(&client, 0, WorkerState::Ready).await;
            kill(Pid::from_raw(worker.pid.cast_signed()), Signal::SIGKILL).expect("it serves");
            let heard = heard.rest(events).await;
            let end = heard.done().finish_reason;
            assert_eq!(
                end,
                Some(FinishReason::Stop),
                "{} tokens: {}",
                heard.said.len(),
                heard.text
            );
            let value: serde_json::Value = serde_json::from_str(&heard.text).expect("JSON");
            assert!(value["a"].as_array().is_some_and(|list| list.len() >= 40));
        }
    });
}
