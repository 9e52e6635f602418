use std::{cell::RefCell, io};

use core_wire::{
    client::{Done, Event, ServerFrame},
    code::{Code, Refusal},
    frame::{self, HEADER_BYTES},
    ids::RequestId,
};
use tokio::{sync::Semaphore, time::Instant};

use super::{Outbox, OutboxError, RESERVE_FRAMES, writer::Sink};
use crate::config::OutboxConfig;

fn outbox(frames_max: u32, bytes_max: u32) -> Outbox {
    Outbox::new(OutboxConfig { frames_max, bytes_max })
}

fn id() -> RequestId {
    RequestId::try_from("r".to_owned()).unwrap()
}

fn token(text: &str) -> Event {
    Event::Token { id: 1, text: text.into(), logprob: None, choice: 0, top: Vec::new() }
}

fn slow() -> Event {
    Event::Error(Refusal::new(Code::SlowClient, "read faster"))
}

/// Takes as many writes as it has permits, and remembers each.
struct Gate {
    permits: Semaphore,
    writes: RefCell<Vec<Vec<u8>>>,
}

impl Gate {
    fn new(permits: usize) -> Self {
        Self { permits: Semaphore::new(permits), writes: RefCell::default() }
    }

    fn frames(&self) -> Vec<ServerFrame> {
        frames_of(&self.writes.borrow().concat())
    }
}

fn frames_of(mut rest: &[u8]) -> Vec<ServerFrame> {
    let mut frames = Vec::new();
    while let Some((header, body)) = rest.split_first_chunk::<HEADER_BYTES>() {
        let length = usize::try_from(u32::from_le_bytes(*header)).unwrap();
        frames.push(frame::read_body(&body[..length]).unwrap());
        rest = &body[length..];
    }
    frames
}

impl Outbox {
    /// Takes what is queued, as a client does that reads.
    pub(crate) fn read_all(&self) -> Vec<Event> {
        let bytes = {
            let mut queue = self.0.queue.borrow_mut();
            queue.frames = 0;
            std::mem::take(&mut queue.bytes)
        };
        self.0.read.set(Instant::now());
        self.0.turn.notify_one();
        frames_of(&bytes).into_iter().map(|frame| frame.event).collect()
    }
}

impl Sink for Gate {
    async fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
        self.permits.acquire().await.unwrap().forget();
        self.writes.borrow_mut().push(bytes.to_vec());
        Ok(bytes.len())
    }
}

#[tokio::test(flavor = "current_thread")]
async fn what_gathers_leaves_in_one_write_and_in_order() {
    let outbox = outbox(100, 1 << 20);
    let texts: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    texts.iter().for_each(|text| outbox.send(&id(), &token(text)).unwrap());
    outbox.finish();
    let gate = Gate::new(10);
    outbox.write_to(&gate).await.unwrap();
    assert_eq!(gate.writes.borrow().len(), 1);
    let expected: Vec<_> = texts.iter().map(|text| token(text)).collect();
    let got: Vec<_> = gate.frames().into_iter().map(|frame| frame.event).collect();
    assert_eq!(got, expected);
    assert_eq!(outbox.send(&id(), &token("late")), Err(OutboxError::Gone));
}

#[test]
fn tokens_stop_at_the_bound_and_terminal_events_have_a_reserve() {
    let outbox = outbox(3, 1 << 20);
    (0..3).for_each(|_| outbox.send(&id(), &token("x")).unwrap());
    assert_eq!(outbox.send(&id(), &token("x")), Err(OutboxError::Full));
    (0..RESERVE_FRAMES).for_each(|_| outbox.send(&id(), &slow()).unwrap());
    assert_eq!(outbox.send(&id(), &slow()), Err(OutboxError::Gone), "then the connection ends");
    assert_eq!(outbox.send(&id(), &token("x")), Err(OutboxError::Gone));
}

#[test]
fn bytes_are_bounded_as_well() {
    let outbox = outbox(1000, 10_000);
    let text = "x".repeat(1000);
    let taken = (0..100).take_while(|_| outbox.send(&id(), &token(&text)).is_ok()).count();
    assert_eq!(taken, 9);
    assert_eq!(outbox.send(&id(), &token(&text)), Err(OutboxError::Full));
    assert!(outbox.0.queue.borrow().bytes.len() <= 10_000);
    outbox.send(&id(), &Event::Done(Done::default())).unwrap();
}

#[test]
fn one_large_answer_fits_an_empty_outbox() {
    let outbox = outbox(10, 10_000);
    outbox.send(&id(), &Event::Text("x".repeat(1 << 20))).unwrap();
    assert_eq!(outbox.send(&id(), &token("x")), Err(OutboxError::Full));
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_being_written_counts_until_it_is_written() {
    let outbox = outbox(2, 1 << 20);
    outbox.send(&id(), &token("a")).unwrap();
    outbox.send(&id(), &token("b")).unwrap();
    let gate = Gate::new(0);
    let feed = async {
        tokio::task::yield_now().await;
        assert_eq!(outbox.send(&id(), &token("c")), Err(OutboxError::Full));
        gate.permits.add_permits(1);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        outbox.send(&id(), &token("c")).unwrap();
        gate.permits.add_permits(1);
        outbox.finish();
    };
    let (written, ()) = tokio::join!(outbox.write_to(&gate), feed);
    written.unwrap();
    assert_eq!(gate.frames().len(), 3);
}

#[tokio::test(flavor = "current_thread")]
async fn abandoning_ends_a_writer_that_waits() {
    let outbox = outbox(2, 1 << 20);
    let gate = Gate::new(0);
    let end = async {
        tokio::task::yield_now().await;
        outbox.abandon();
    };
    let (written, ()) = tokio::join!(outbox.write_to(&gate), end);
    assert!(written.is_ok() && gate.writes.borrow().is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn a_client_is_read_again_when_half_of_its_outbox_is_written() {
    use std::{cell::Cell, time::Duration};
    let outbox = outbox(4, 1 << 20);
    (0..2).for_each(|_| outbox.send(&id(), &token("x")).unwrap());
    outbox.half_empty().await;
    outbox.send(&id(), &token("x")).unwrap();
    let (gate, read_on) = (Gate::new(0), Cell::new(false));
    let reader = async {
        outbox.half_empty().await;
        read_on.set(true);
        outbox.finish();
    };
    let client = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(!read_on.get(), "three of four frames wait");
        gate.permits.add_permits(1);
    };
    let (written, (), ()) = tokio::join!(outbox.write_to(&gate), reader, client);
    written.unwrap();
    assert!(read_on.get());
}

#[test]
fn places_in_the_queue_leave_room_for_tokens() {
    let outbox = outbox(4, 1 << 20);
    let place = |position| Event::Queued { position, wait_ms: None };
    (0..100).for_each(|n| outbox.send(&id(), &place(n)).unwrap());
    assert_eq!(outbox.0.queue.borrow().frames, 3);
    outbox.send(&id(), &token("x")).unwrap();
    assert_eq!(outbox.send(&id(), &token("x")), Err(OutboxError::Full));
}
