//! Clients that connect, ask, and are gone.

use std::time::{Duration, Instant};

use core_client::{DetachTicket, Detached};
use core_tests::harness::{Broker, processes};

use super::{compared, times};
use crate::talk::{connect, story_with, talk, until};

/// Ways to be gone: in the middle of a request, with one or two left behind, with a ticket that
/// nobody ever got, with somebody's request adopted, and at once.
const WAYS: usize = 7;

/// How much larger the broker may be afterwards, in KiB: what its allocator keeps.
const GROWN_KIB_MAX: u64 = 4 << 10;

#[test]
fn clients_that_vanish_leave_nothing() {
    // What is detached is kept for so short that it is gone when this looks.
    let broker = story_with("detach_ms = 300\n");
    // Once, so that what is made at first use is there.
    talk(vanish(&broker, 50));
    let before = seen(&broker);
    let (cycles, began) = (times(300, 10_000), Instant::now());
    let detached = talk(vanish(&broker, cycles));
    let took = began.elapsed();
    println!("{cycles} clients vanished, {detached} of them left a request behind");
    // On a fast machine most come while as many are detached as may be.
    assert!(detached >= cycles / 50, "only {detached} were detached");
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

/// Connects, asks and is gone, in one of several ways; how many left a request behind that goes on
/// without them.
async fn vanish(broker: &Broker, cycles: usize) -> usize {
    let mut left: Vec<Detached> = Vec::new();
    let mut detached = 0;
    for n in 0..cycles {
        let client = connect(broker).await;
        let mut events = client.generate(compared("story", "Once", 200)).await.expect("sent");
        match n % WAYS {
            0 => tokio::task::yield_now().await,
            // Nobody comes for some, and there may be too many of them already.
            1 | 2 => left.extend(client.detach(&mut events).await),
            3 => drop(client.attach(DetachTicket([n.to_le_bytes()[0]; 16]), 0).await),
            4 => {
                detached += left.len();
                let ticket = left.pop();
                left.clear();
                if let Some(Detached { ticket, first, .. }) = ticket {
                    drop(client.attach(ticket, first).await.expect("sent"));
                }
            }
            _ => {}
        }
        drop((events, client));
    }
    detached
}

/// Descriptors, children and resident memory of the broker.
fn seen(broker: &Broker) -> (usize, usize, u64) {
    let rss = processes::status_field(broker.pid(), "VmRSS").unwrap_or_default();
    let kib = rss.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
    let (fds, children) = (processes::descriptors(broker.pid()), processes::children(broker.pid()));
    (fds.len(), children.len(), kib)
}
