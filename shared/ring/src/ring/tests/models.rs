//! The production roles over loom's atomics: every interleaving and every stale value that the
//! memory model allows. With all fences the models pass; with any one left out they must fail,
//! which shows that the models can see what the fence is for.

use loom::sync::Arc;
use loom::thread;

use super::cells::{Cells, Complete, Futex, WithoutArm, WithoutObserve, WithoutPublish};
use crate::layout::Lane;
use crate::primitive::{Bell, Fences};
use crate::ring::{Budget, Consumer, Producer, Room};

/// Holds every record of the first model, so that its producer never waits.
const FOUR: Lane = Lane { capacity: 64, record_max: 16, kind_max: 9 };

/// One record fills it, so that the second has to wait for space.
const ONE: Lane = Lane { capacity: 16, record_max: 16, kind_max: 9 };

/// Publications of the first model.
const RECORDS: u8 = 3;

/// Forced switches per execution; the lost wake-ups below need two.
const PREEMPTIONS_MAX: usize = 3;

fn roles<F: Fences>(lane: Lane) -> (Producer<Cells, Cells, F>, Consumer<Cells, Cells, F>) {
    let (producers, consumers) = (Cells::new(lane), Cells::new(lane));
    let producer = Producer::new(producers.clone(), consumers.clone(), lane);
    (producer, Consumer::new(consumers, producers, lane))
}

fn explore(model: fn()) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS_MAX);
    builder.check(model);
}

/// Three publications against a consumer that sleeps whenever it finds nothing.
fn park_and_publish<F: Fences + Send + 'static>() {
    let (mut producer, mut consumer) = roles::<F>(FOUR);
    let futex = Futex::new();
    let bell = Arc::clone(&futex);
    let writer = thread::spawn(move || {
        for record in 1..=RECORDS {
            producer.push(1, &[record]).unwrap();
            if producer.publish() == Bell::Due {
                bell.ring();
            }
        }
    });
    let (mut last, mut announced) = (0, 0);
    while last < RECORDS {
        let seen = futex.value();
        announced += 1;
        if consumer.arm() {
            futex.wait(seen);
            consumer.disarm();
        }
        let take = |_: u8, payload: &[u8]| {
            last += 1;
            assert_eq!(payload, [last]);
        };
        let _bell = consumer.drain(Budget::ALL, take).unwrap();
    }
    writer.join().unwrap();
    assert!(futex.rung() <= announced, "more bells than announced sleeps");
}

/// A full ring: the producer sleeps for space, the consumer makes it.
fn wait_for_space<F: Fences + Send + 'static>() {
    let (mut producer, mut consumer) = roles::<F>(ONE);
    producer.push(1, &[1]).unwrap();
    let _nobody_sleeps_yet = producer.publish();
    let futex = Futex::new();
    let bell = Arc::clone(&futex);
    let reader = thread::spawn(move || {
        let (drained, due) =
            consumer.drain(Budget::ALL, |_, payload| assert_eq!(payload, [1])).unwrap();
        assert_eq!(drained.records, 1);
        if due == Bell::Due {
            bell.ring();
        }
        consumer
    });
    // The bell may be seen before the head that it announces, so this is a loop, as in production.
    let mut seen = futex.value();
    while producer.push(1, &[2]).is_err() {
        if producer.arm_space(16) == Ok(Room::Later) {
            futex.wait(seen);
            producer.disarm_space();
        }
        seen = futex.value();
    }
    let _bell = producer.publish();
    let mut consumer = reader.join().unwrap();
    let _bell = consumer.drain(Budget::ALL, |_, payload| assert_eq!(payload, [2])).unwrap();
}

/// The consumer looks once; what it then sees must be whole.
fn look_once<F: Fences + Send + 'static>() {
    let (mut producer, mut consumer) = roles::<F>(FOUR);
    let writer = thread::spawn(move || {
        producer.push(1, &[7]).unwrap();
        let _bell = producer.publish();
    });
    let _bell = consumer.drain(Budget::ALL, |_, payload| assert_eq!(payload, [7])).unwrap();
    writer.join().unwrap();
}

#[test]
fn no_wake_up_is_lost() {
    explore(park_and_publish::<Complete>);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_fence_after_publish_a_wake_up_is_lost() {
    explore(park_and_publish::<WithoutPublish>);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_fence_after_arm_a_wake_up_is_lost() {
    explore(park_and_publish::<WithoutArm>);
}

#[test]
fn no_space_is_lost() {
    explore(wait_for_space::<Complete>);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_fence_after_publish_space_is_lost() {
    explore(wait_for_space::<WithoutPublish>);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_fence_after_arm_space_is_lost() {
    explore(wait_for_space::<WithoutArm>);
}

#[test]
fn a_published_record_is_seen_whole() {
    explore(look_once::<Complete>);
}

#[test]
#[should_panic(expected = "Kind { kind: 0")]
fn without_the_fence_after_observe_a_record_is_seen_half() {
    explore(look_once::<WithoutObserve>);
}
