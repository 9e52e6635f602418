//! A worker that stands still, for shorter and for longer than the watchdog allows.

use std::time::{Duration, Instant};

use core_tests::{
    gguf::{self, Shape},
    harness::{Broker, Install},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{compared, serving, times};
use crate::{
    compare::{BORDER, RECOVERED, same_within},
    talk::{Heard, ask, broker_with, connect, talk},
};

/// What the watchdog is set to.
const WATCHDOG: Duration = Duration::from_secs(2);
/// One thread, so that whoever reads has a core and is not thousands of tokens behind.
const CONFIG: &str = "watchdog_ms = 2000\n[defaults]\nthreads = 1\n";
/// Tokens of the stream: two seconds of them where the machine is fast.
const TOKENS: u32 = 8_000;

#[test]
fn a_short_stop_is_no_hang() {
    assert!(!stopped_for(WATCHDOG / 2), "the worker was replaced");
}

#[test]
fn a_hang_is_cured_like_a_crash() {
    assert!(stopped_for(WATCHDOG * 3), "the worker was not replaced");
}

/// Stops the worker in mid-stream for a time; answers whether another one went on. Either way the
/// stream is as if nothing had happened.
fn stopped_for(time: Duration) -> bool {
    let broker = broker_with(CONFIG);
    talk(async {
        let client = connect(&broker).await;
        let expected = ask(&client, compared("long", "Once", TOKENS)).await;
        let worker = serving(&client, "long").await.expect("it serves").pid;
        let mut events = client.generate(compared("long", "Once", TOKENS)).await.expect("sent");
        let mut heard = Heard::new(Instant::now());
        heard.until(&mut events, |heard| heard.said.len() > 100).await;
        // At once: an answer that had to come between the tokens would come after many of them.
        let pid = Pid::from_raw(worker.cast_signed());
        kill(pid, Signal::SIGSTOP).expect("it runs");
        let stop = async {
            tokio::time::sleep(time).await;
            // It may be gone by now.
            let _ = kill(pid, Signal::SIGCONT);
        };
        let (heard, ()) = tokio::join!(heard.rest(events), stop);
        heard.done();
        let after = serving(&client, "long").await.expect("it serves").pid;
        let border = if after == worker { BORDER } else { RECOVERED };
        same_within(border, &expected.said, &heard.said);
        let status = client.status().await.expect("a state");
        assert_eq!(status.deaths.hung, u64::from(after != worker), "{:?}", status.deaths);
        after != worker
    })
}

/// A heartbeat comes with each slice of a prompt, so a prefill of any length is alive.
#[test]
fn a_long_prefill_is_alive() {
    let broker = broker_with("watchdog_ms = 1000\n[models.long]\nn_ctx = 32768\n");
    talk(async {
        let client = connect(&broker).await;
        let worker = serving(&client, "long").await.expect("it serves").pid;
        let began = Instant::now();
        let heard = ask(&client, compared("long", times(24_000, 31_000), 2)).await;
        heard.done();
        let took = began.elapsed();
        assert!(took > Duration::from_secs(2), "a prefill of {took:?} shows nothing");
        assert_eq!(serving(&client, "long").await.expect("it serves").pid, worker);
    });
}

/// The same for half a minute on a model of 164 million parameters, under the watchdog that ships.
#[test]
fn half_a_minute_of_prefill_is_no_hang() {
    let (watchdog_ms, within) = (times(1_000, 10_000), times(3, 31) as u64);
    let install = Install::new().expect("an installation");
    gguf::write_model(&Shape::m164(), &install.model("m164")).expect("a model");
    let config = format!("watchdog_ms = {watchdog_ms}\n[models.m164]\nn_ctx = 32768\n");
    std::fs::write(install.root().join("core.toml"), config).expect("written");
    let broker = Broker::start(install, &[]).expect("a broker");
    broker.load("m164");
    talk(async {
        let client = connect(&broker).await;
        let worker = serving(&client, "m164").await.expect("it serves").pid;
        let mut events = client.generate(compared("m164", 32_000, 2)).await.expect("sent");
        let mut heard = Heard::new(Instant::now());
        let first = heard.until(&mut events, |heard| !heard.said.is_empty());
        let end = tokio::time::timeout(Duration::from_secs(within), first).await;
        assert!(end.is_err(), "a prefill of less than {within} s shows nothing");
        assert!(heard.resumed.is_empty(), "it was taken for a hang");
        assert_eq!(serving(&client, "m164").await.expect("it serves").pid, worker);
    });
}
