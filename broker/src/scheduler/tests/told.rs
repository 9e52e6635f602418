//! Where those far back learn of their position, and what is guessed of their wait.

use std::collections::BTreeMap;

use core_wire::{
    client::{FinishReason, Priority},
    ids::RequestId,
};

use super::{
    small::{CONN, arrival, jobs},
    world::line,
};
use crate::scheduler::{
    Arrival, Effect, End, Event, Limits, State, Tenure, Ticket, WorkerId,
    news::{FRONT, SWEEP, SWEEP_EACH_MS},
    step,
};

/// So many that two sweeps are needed.
const WAITING: u64 = (FRONT + SWEEP + 40) as u64;

struct Line {
    state: State,
    told: BTreeMap<u64, (u32, Option<u32>)>,
}

impl Line {
    fn new() -> Self {
        let mut state = State::new(Limits::waiting(1_000, 1_000));
        step(&mut state, Event::Opened(CONN));
        let mut line = Self { state, told: BTreeMap::new() };
        for number in 1..=WAITING {
            line.come(number, Priority::Normal);
        }
        line
    }

    fn come(&mut self, number: u64, class: Priority) -> usize {
        let id = RequestId::try_from(number.to_string()).unwrap();
        let arrival = Arrival { ticket: Ticket(number), id, ..arrival(0, class) };
        self.step(Event::Arrived(arrival)).1
    }

    /// Takes note of who is told; answers the effects, and how many were told.
    fn step(&mut self, event: Event) -> (Vec<Effect>, usize) {
        let effects = step(&mut self.state, event);
        let mut told = 0;
        for effect in &effects {
            if let Effect::Queued { ticket, position, wait_ms } = *effect {
                self.told.insert(ticket.0, (position, wait_ms));
                told += 1;
            }
        }
        (effects, told)
    }

    fn sweep(&mut self, now_ms: u64) -> usize {
        self.step(Event::Tick { now_ms }).1
    }
}

#[test]
fn newcomers_are_told_at_once_and_nothing_is_armed_for_them() {
    let line = Line::new();
    let told: Vec<_> = line.told.values().map(|&(position, _)| u64::from(position)).collect();
    assert_eq!(told, (0..WAITING).collect::<Vec<_>>());
    assert_eq!(line.state.next_deadline_ms(), None);
}

#[test]
fn those_in_front_are_told_at_once_and_the_others_in_sweeps() {
    let mut line = Line::new();
    let told = line.come(1_000, Priority::Interactive);
    assert_eq!(told, FRONT, "itself and 63 others");
    assert_eq!(line.state.next_deadline_ms(), Some(SWEEP_EACH_MS));
    assert_eq!(line.sweep(SWEEP_EACH_MS - 1), 0);
    assert_eq!(line.sweep(SWEEP_EACH_MS), SWEEP);
    assert_eq!(line.state.next_deadline_ms(), Some(2 * SWEEP_EACH_MS));
    assert_eq!(line.sweep(2 * SWEEP_EACH_MS), 41, "all but the 320 that know");
    assert_eq!(line.state.next_deadline_ms(), None, "nothing is armed when all know");
    let told = |number| line.told[&number].0;
    assert!((1..=WAITING).all(|number| u64::from(told(number)) == number));
}

#[test]
fn whoever_moves_behind_the_sweep_is_told_by_the_next_one() {
    let mut line = Line::new();
    line.come(1_000, Priority::Interactive);
    line.sweep(SWEEP_EACH_MS);
    let target = "1000".to_owned();
    line.step(Event::Cancelled { conn: CONN, target });
    let mut now_ms = SWEEP_EACH_MS;
    while let Some(due_ms) = line.state.next_deadline_ms() {
        assert!(due_ms > now_ms && now_ms < 10 * SWEEP_EACH_MS);
        now_ms = due_ms;
        assert!(line.sweep(now_ms) <= SWEEP);
    }
    let told = |number| line.told[&number].0;
    assert!((1..=WAITING).all(|number| u64::from(told(number)) == number - 1));
}

#[test]
fn the_wait_is_guessed_from_how_long_slots_were_held() {
    let mut waiting = Line::new();
    let (line, worker) = (line(0), WorkerId(1));
    let (effects, _) = waiting.step(Event::Ready {
        line,
        worker,
        slots: 2,
        cells: 1 << 20,
        tenure: Tenure::default(),
    });
    assert_eq!(waiting.told[&3], (0, None), "nothing is known yet");
    waiting.state.set_now(400);
    let (job, end) = (jobs(&effects)[0], End::Generated(FinishReason::Stop));
    waiting.step(Event::JobEnded { job, end });
    // 400 ms for each of the requests in front and itself, by two slots.
    assert_eq!(waiting.told[&4], (0, Some(200)));
    assert_eq!(waiting.told[&6], (2, Some(600)));
}
