//! Clients that connect, ask, and are gone.

use std::time::{Duration, Instant};

use core_tests::harness::{Broker, processes};

use super::{compared, times};
use crate::talk::{connect, talk, until};

/// How much larger the broker may be afterwards, in KiB: what its allocator keeps.
const GROWN_KIB_MAX: u64 = 4 << 10;

#[test]
fn clients_that_vanish_leave_nothing() {
    let broker = Broker::with_story().expect("a broker");
    broker.load("story");
    // Once, so that what is made at first use is there.
    talk(vanish(&broker, 50));
    let before = seen(&broker);
    let (cycles, began) = (times(300, 10_000), Instant::now());
    talk(vanish(&broker, cycles));
    let took = began.elapsed();
    talk(async {
        let client = connect(&broker).await;
        until(&client, |status| status.sessions == 1 && status.queue.depth == 0).await;
        until(&client, |status| status.workers.iter().all(|worker| worker.active == 0)).await;
    });
    let settled = || (seen(&broker).0 <= before.0).then_some(());
    processes::wait_for(Duration::from_secs(5), settled);
    let after = seen(&broker);
    println!(
        "{cycles} clients that vanish, in {took:.1?}: descriptors, processes and KiB {before:?} \
         before, {after:?} after"
    );
    assert!(after.0 <= before.0 && after.1 <= before.1, "{before:?} became {after:?}");
    assert!(after.2 <= before.2 + GROWN_KIB_MAX, "{} KiB became {} KiB", before.2, after.2);
}

async fn vanish(broker: &Broker, cycles: usize) {
    for n in 0..cycles {
        let client = connect(broker).await;
        let events = client.generate(compared("story", "Once", 200)).await.expect("sent");
        if n % 3 == 0 {
            tokio::task::yield_now().await;
        }
        drop((events, client));
    }
}

/// Descriptors, children and resident memory of the broker.
fn seen(broker: &Broker) -> (usize, usize, u64) {
    let rss = processes::status_field(broker.pid(), "VmRSS").unwrap_or_default();
    let kib = rss.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
    let (fds, children) = (processes::descriptors(broker.pid()), processes::children(broker.pid()));
    (fds.len(), children.len(), kib)
}
