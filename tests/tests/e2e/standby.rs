//! A second worker that is loaded and idle: it takes over when the first is lost.

use std::{
    fs,
    io::Write as _,
    time::{Duration, Instant},
};

use core_client::{Client, Status};
use core_tests::harness::Broker;
use core_wire::client::status::{DeathCounts, WorkerState, WorkerStatus};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::talk::{Heard, ask, connect, greedy, story_with, talk, until};

/// How long a spare is watched for computing nothing: many steps of its model.
const WATCHED: Duration = Duration::from_millis(300);

fn with_standby() -> Broker {
    story_with("[models.story]\nstandby = true\n")
}

fn spare_of(status: &Status) -> Option<&WorkerStatus> {
    let ready = |worker: &&WorkerStatus| worker.state == WorkerState::Ready;
    status.workers.iter().filter(ready).find(|worker| worker.standby)
}

fn serving(status: &Status) -> Option<&WorkerStatus> {
    let ready = |worker: &&WorkerStatus| worker.state == WorkerState::Ready;
    status.workers.iter().filter(ready).find(|worker| !worker.standby)
}

/// The worker that serves and its spare, once both are ready and the spare is not `last`.
async fn both(client: &Client, last: u32) -> (WorkerStatus, WorkerStatus) {
    let other = |status: &Status| spare_of(status).is_some_and(|spare| spare.pid != last);
    until(client, |status| serving(status).is_some() && other(status)).await;
    let status = client.status().await.expect("a state");
    let serving = serving(&status).expect("one serves").clone();
    (serving, spare_of(&status).expect("one stands by").clone())
}

fn kill_worker(pid: u32) {
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("it runs");
}

/// Clock ticks that a process has computed: fields 14 and 15 of `/proc/PID/stat`.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields = stat.rsplit(')').next().expect("fields behind the name");
    fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<u64>().expect("a number"))
        .sum()
}

#[test]
fn it_is_protected_idle_and_takes_over() {
    let broker = with_standby();
    talk(async {
        let client = connect(&broker).await;
        let (first, spare) = both(&client, 0).await;
        assert_ne!(first.pid, spare.pid);
        assert!(spare.sandbox.verified, "{:?}", spare.sandbox);
        assert_eq!((spare.active, spare.cores, spare.restarts), (0, 0, 0));
        let audit = client.audit().await.expect("an audit");
        let rows = audit.iter().find(|process| process.pid == spare.pid).expect("it is audited");
        assert!(!rows.rows.is_empty());
        let before = ticks(spare.pid);
        let heard = ask(&client, greedy("story", "Once", 50)).await;
        assert_eq!(heard.said.len(), 50);
        tokio::time::sleep(WATCHED).await;
        assert_eq!(ticks(spare.pid), before, "a spare computes nothing");
        kill_worker(first.pid);
        let heard = ask(&client, greedy("story", "Once", 50)).await;
        assert_eq!(heard.said.len(), 50);
        let (second, other) = both(&client, spare.pid).await;
        assert_eq!(second.pid, spare.pid, "the spare serves");
        assert_eq!(second.restarts, 1);
        assert!(![first.pid, second.pid].contains(&other.pid));
    });
}

#[test]
fn its_death_harms_nobody_and_it_is_replaced() {
    let broker = with_standby();
    talk(async {
        let client = connect(&broker).await;
        let (first, spare) = both(&client, 0).await;
        let killed = tokio::join!(ask(&client, greedy("story", "Once", 400)), async {
            kill_worker(spare.pid);
            both(&client, spare.pid).await
        });
        let (heard, (serving, _)) = killed;
        assert_eq!((heard.said.len(), heard.resumed.len()), (400, 0));
        assert_eq!((serving.pid, serving.restarts), (first.pid, 0));
        let status = client.status().await.expect("a state");
        assert_eq!(status.deaths.killed, 1);
    });
}

#[test]
fn it_ends_with_its_model() {
    let broker = with_standby();
    talk(async {
        let client = connect(&broker).await;
        both(&client, 0).await;
        let events = client.unload("story").await.expect("sent");
        events.finish().await.expect("unloaded");
        let status = client.status().await.expect("a state");
        assert!(status.workers.is_empty(), "{:?}", status.workers.len());
        assert_eq!(status.deaths, DeathCounts::default());
    });
}

#[test]
fn it_does_not_serve_a_file_that_was_changed_under_it() {
    let broker = with_standby();
    talk(async {
        let client = connect(&broker).await;
        let (first, spare) = both(&client, 0).await;
        let file = broker.install.model("story");
        let mut open = fs::OpenOptions::new().append(true).open(&file).expect("opened");
        open.write_all(&[0]).expect("written");
        kill_worker(first.pid);
        let fresh = |status: &Status| {
            serving(status).is_some_and(|worker| ![first.pid, spare.pid].contains(&worker.pid))
        };
        // Until the broker has seen that, a request ends with MODEL_CHANGED or waits.
        ask(&client, greedy("story", "Once", 4)).await;
        let heard = ask(&client, greedy("story", "Once", 50)).await;
        assert_eq!(heard.said.len(), 50, "{}", broker.log());
        until(&client, fresh).await;
    });
}

#[test]
fn it_does_not_take_over_what_a_file_that_was_cut_ended() {
    let broker = story_with("[models.story]\nstandby = true\nweights = \"shared\"\n");
    talk(async {
        let client = connect(&broker).await;
        both(&client, 0).await;
        let events = client.generate(greedy("story", "Once", 400)).await;
        let mut events = events.expect("it can be sent");
        let mut heard = Heard::new(Instant::now());
        heard.until(&mut events, |heard| heard.said.len() >= 5).await;
        let file = broker.install.model("story");
        let open = fs::OpenOptions::new().write(true).open(&file).expect("opened");
        open.set_len(4096).expect("cut");
        assert_eq!(heard.rest(events).await.refusal().0, "MODEL_CHANGED");
        let log = broker.log();
        assert!(log.contains("SIGBUS") && !log.contains("the spare serves"), "{log}");
    });
}

/// Deaths from which the pause is measured.
const DEATHS: usize = 7;

#[test]
fn the_pause_is_as_short_as_the_prefill() {
    let with = pauses(&with_standby(), Spare::Ready);
    let without = pauses(&story_with(""), Spare::None);
    println!("from a worker's death to the next token, of {DEATHS}: with a spare {with:?} ms");
    println!("from a worker's death to the next token, of {DEATHS}: without one {without:?} ms");
}

/// Whether the worker that is killed has a spare.
#[derive(Clone, Copy, PartialEq)]
enum Spare {
    Ready,
    None,
}

/// Milliseconds from each of some deaths to the next token of the one stream, sorted.
fn pauses(broker: &Broker, spare: Spare) -> Vec<u128> {
    let mut pauses = Vec::new();
    talk(async {
        let client = connect(broker).await;
        for _ in 0..DEATHS {
            until(&client, |status| {
                serving(status).is_some() && (spare == Spare::None || spare_of(status).is_some())
            })
            .await;
            let status = client.status().await.expect("a state");
            let events = client.generate(greedy("story", "Once", 300)).await;
            let mut events = events.expect("it can be sent");
            let mut heard = Heard::new(Instant::now());
            heard.until(&mut events, |heard| heard.said.len() >= 20).await;
            let killed = Instant::now();
            kill_worker(serving(&status).expect("it serves").pid);
            heard.until(&mut events, |heard| !heard.resumed.is_empty()).await;
            heard.until(&mut events, |_| true).await;
            pauses.push(killed.elapsed().as_millis());
            let heard = heard.rest(events).await;
            assert_eq!((heard.said.len(), heard.resumed.len()), (300, 1));
        }
    });
    pauses.sort_unstable();
    pauses
}
