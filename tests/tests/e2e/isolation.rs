//! What time tells one session of another.

use std::time::Duration;

use core_client::{Client, Generate, Params, Prompt};
use core_tests::harness::Broker;

use crate::talk::{ask, broker_with, connect, talk};

/// Room for all that is kept here, so that nothing is evicted.
const CONFIG: &str = "[defaults]\nslots = 2\nn_ctx = 16384\nidle_cells = 8192\n";
/// Tokens of a prompt: its prefill takes many times what a request takes beside it.
const PROMPT: u32 = 700;
/// First tokens of each kind, in turns, so that the machine is the same for all.
const SAMPLES: u32 = 15;
/// How far the medians of strangers may be apart: a busy machine moves them by some per cent.
const MEDIANS_MAX: f64 = 1.2;
/// Standard deviations of the rank test; by chance alone it is beyond them once in 1,500 runs.
const DEVIATIONS_MAX: f64 = 3.4;
/// What a session's own prefix takes at most, against one that has to be computed.
const OWN_MAX: f64 = 0.5;

/// A prompt that differs from the others from its first token on.
fn prompt(number: u32) -> Generate {
    let ids = std::iter::once(260 + number).chain((300..500).cycle());
    let prompt = Prompt::Tokens(ids.take(PROMPT as usize).collect());
    let params = Params { max_tokens: 1, temperature: 0.0, ignore_eos: true, ..Params::default() };
    Generate { model: "long".into(), prompt, params }
}

/// The time to the first token, and what came from the cache.
async fn first_token(client: &Client, request: Generate) -> (Duration, u32) {
    let heard = ask(client, request).await;
    (heard.said[0].at - heard.sent, heard.done().usage.cached_tokens)
}

/// The same in a session that nobody had before.
async fn as_stranger(broker: &Broker, request: Generate) -> Duration {
    let (time, cached) = first_token(&connect(broker).await, request).await;
    assert_eq!(cached, 0, "another session's cells were used");
    time
}

fn median(times: &[Duration]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2].as_secs_f64()
}

/// How many standard deviations the ranks of two samples are apart (Mann and Whitney).
fn deviations(one: &[Duration], other: &[Duration]) -> f64 {
    let below = |a: &Duration| other.iter().filter(|b| a < *b).count();
    let count = |times: &[Duration]| f64::from(u32::try_from(times.len()).expect("few"));
    let wins = f64::from(u32::try_from(one.iter().map(below).sum::<usize>()).expect("few"));
    let (n, m) = (count(one), count(other));
    (wins - n * m / 2.0).abs() / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

#[test]
fn a_stranger_cannot_tell_by_time_what_another_session_has_asked() {
    let broker = broker_with(CONFIG);
    talk(async {
        let owner = connect(&broker).await;
        let known = prompt(0);
        let (_, cached) = first_token(&owner, known.clone()).await;
        assert_eq!(cached, 0);
        let (mut own, mut strange, mut unknown) = (vec![], vec![], vec![]);
        for number in 0..SAMPLES {
            let (time, cached) = first_token(&owner, known.clone()).await;
            assert!(cached >= PROMPT - 1, "{cached} of {PROMPT} were there");
            own.push(time);
            // Nobody has ever sent this one; which of both comes first changes each time.
            let new = prompt(1 + number);
            if number % 2 == 0 {
                strange.push(as_stranger(&broker, known.clone()).await);
                unknown.push(as_stranger(&broker, new).await);
            } else {
                unknown.push(as_stranger(&broker, new).await);
                strange.push(as_stranger(&broker, known.clone()).await);
            }
        }
        let (own, strangers, cold) = (median(&own), median(&strange), median(&unknown));
        let apart = deviations(&strange, &unknown);
        let ms = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
        let (own_ms, strange_ms, cold_ms) = (ms(own), ms(strangers), ms(cold));
        println!("own {own_ms}, a stranger's {strange_ms}, cold {cold_ms}, {apart:.2} deviations");
        let ratio = (strangers / cold).max(cold / strangers);
        assert!(ratio <= MEDIANS_MAX, "{strange_ms} and {cold_ms}");
        assert!(apart <= DEVIATIONS_MAX, "{strange:?}\n{unknown:?}");
        assert!(own <= OWN_MAX * cold, "the test would not have seen it: {own_ms}, {cold_ms}");
    });
}

#[test]
fn the_rank_test_tells_samples_apart_that_differ() {
    let times = |from: u64| (from..from + 15).map(Duration::from_millis).collect::<Vec<_>>();
    assert!(deviations(&times(0), &times(15)) > DEVIATIONS_MAX);
    assert!(deviations(&times(0), &times(0)) < 1.0);
}
