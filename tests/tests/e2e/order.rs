//! Who comes first when there is one slot: classes, sessions within a class, and what a client is
//! told of its place.

use std::time::Instant;

use core_client::{Client, Generate, Priority};
use core_tests::harness::Broker;

use crate::talk::{Heard, ask, broker_with, connect, endless, greedy, hear, of_class, talk, until};

/// One slot, so that ends come in the order of starts.
const ONE_SLOT: &str = "[defaults]\nslots = 1\n";
/// Requests of a flood.
const FLOOD: usize = 12;
/// Tokens of each: time enough to be told of one's place, and to come in the middle.
const TOKENS: u32 = 150;
/// Tokens of each where only the order counts.
const FEW: u32 = 30;

/// Sends all at once, and hears them in the order of their ends.
async fn ends(all: Vec<(&'static str, Client, Generate)>) -> Vec<(&'static str, Heard)> {
    let send =
        |(name, client, request)| tokio::spawn(async move { (name, ask(&client, request).await) });
    let tasks: Vec<_> = all.into_iter().map(send).collect();
    let mut heard = Vec::new();
    for task in tasks {
        heard.push(task.await.expect("no panic"));
    }
    heard.sort_by_key(|(_, heard)| heard.ended);
    heard
}

/// The same, when all of them have waited at once behind somebody else.
async fn ends_behind(
    somebody: &Client,
    all: Vec<(&'static str, Client, Generate)>,
) -> Vec<&'static str> {
    let (holder, count) = (endless(somebody).await, all.len());
    let all = tokio::spawn(ends(all));
    until(somebody, |status| status.queue.depth as usize == count).await;
    holder.cancel();
    hear(holder, Instant::now()).await.done();
    all.await.expect("no panic").into_iter().map(|(name, _)| name).collect()
}

fn flood(
    name: &'static str,
    client: &Client,
    class: Priority,
    tokens: u32,
) -> Vec<(&'static str, Client, Generate)> {
    let one = || of_class(class, greedy("long", "Once upon a time", tokens));
    (0..FLOOD).map(|_| (name, client.clone(), one())).collect()
}

fn one_slot() -> Broker {
    broker_with(ONE_SLOT)
}

#[test]
fn somebody_at_a_screen_comes_before_all_batch_work() {
    let broker = one_slot();
    talk(async {
        let (a, b) = (connect(&broker).await, connect(&broker).await);
        let batch = tokio::spawn(ends(flood("a", &a, Priority::Batch, TOKENS)));
        until(&b, |status| status.queue.batch as usize == FLOOD - 1).await;
        let sent = Instant::now();
        let screen = of_class(Priority::Interactive, greedy("long", "Once upon a time", 20));
        let screen = ask(&b, screen).await;
        screen.done();
        let batch = batch.await.expect("no panic");
        let between = batch.iter().filter(|(_, h)| sent < h.ended && h.ended < screen.ended);
        assert!(between.count() <= 1, "batch work was done while somebody waited");
        let after = batch.iter().filter(|(_, heard)| heard.ended > screen.ended).count();
        assert!(after >= FLOOD / 2, "only {after} batch requests waited at all");
        assert!(batch.iter().all(|(_, heard)| heard.said.len() == TOKENS as usize));
    });
}

#[test]
fn classes_are_served_in_their_order() {
    let broker = one_slot();
    talk(async {
        let client = connect(&broker).await;
        let one = |name, class| {
            (name, client.clone(), of_class(class, greedy("long", "Once upon a time", FEW)))
        };
        let all = vec![
            one("batch", Priority::Batch),
            one("normal", Priority::Normal),
            one("interactive", Priority::Interactive),
        ];
        let names = ends_behind(&connect(&broker).await, all).await;
        assert_eq!(names, ["interactive", "normal", "batch"]);
    });
}

#[test]
fn sessions_of_one_class_take_turns() {
    let broker = one_slot();
    talk(async {
        let (a, b) = (connect(&broker).await, connect(&broker).await);
        let turns = |name, client| flood(name, client, Priority::Normal, FEW);
        let all = [turns("a", &a), turns("b", &b)].concat();
        let names = ends_behind(&connect(&broker).await, all).await;
        println!("{}", names.concat());
        let mut ahead = 0_i32;
        for name in &names {
            ahead += if *name == "a" { 1 } else { -1 };
            // One, and one more where the ends of two came at once and were heard crosswise.
            assert!(ahead.abs() <= 2, "one session was served {ahead} times more: {names:?}");
        }
    });
}

#[test]
fn a_client_is_told_its_place_and_how_long_it_will_wait() {
    let broker = one_slot();
    talk(async {
        let client = connect(&broker).await;
        let heard = ends(flood("a", &client, Priority::Normal, TOKENS)).await;
        let places = |n: usize| &heard[n].1.positions;
        for (n, (_, heard)) in heard.iter().enumerate().skip(1) {
            let places = &heard.positions;
            assert!(places.first().is_some_and(|&first| first as usize <= n), "{n}: {places:?}");
            assert!(places.is_sorted_by(|one, next| one >= next), "{n}: {places:?}");
            assert!(places.last().is_some_and(|&last| last <= 1), "{n}: {places:?}");
        }
        assert!(places(FLOOD - 1).len() >= FLOOD / 2, "{:?}", places(FLOOD - 1));
        let last = &heard[FLOOD - 1].1;
        assert!(!last.waits_ms.is_empty(), "no guess of the wait");
        let waited = (last.ended - last.sent).as_millis();
        let worst = last.waits_ms.iter().max().copied().unwrap_or_default();
        assert!(u128::from(worst) <= 10 * waited, "{worst} ms guessed, {waited} ms waited");
    });
}
