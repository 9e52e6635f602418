//! Some models, a budget, and short names for what happens to them.

use core_wire::{client::Priority, code::Refusal, ids::JobId};

use super::{
    small::{CONN, arrival},
    world::{line, lost},
};
use crate::scheduler::{
    Arrival, Cost, Edition, Effect, Event, Limits, LineId, Loss, State, Task, Tenure, Ticket,
    WorkerId, step,
};

/// Milliseconds that a swap gives what runs.
pub(super) const DRAIN_MS: u64 = 100;

pub(super) struct Desk {
    pub(super) state: State,
    next: u8,
    now_ms: u64,
}

impl Desk {
    pub(super) fn new(memory_bytes: u64) -> Self {
        let limits = Limits { memory_bytes, swap_drain_ms: DRAIN_MS, ..Limits::waiting(50, 50) };
        let mut state = State::new(limits);
        step(&mut state, Event::Opened(CONN));
        Self { state, next: 0, now_ms: 0 }
    }

    pub(super) fn step(&mut self, event: Event) -> Vec<Effect> {
        step(&mut self.state, event)
    }

    /// A request; its ticket and what follows.
    pub(super) fn ask(&mut self, task: Task) -> (u64, Vec<Effect>) {
        self.bring(|arrival| Arrival { task, ..arrival })
    }

    pub(super) fn bring(&mut self, change: impl FnOnce(Arrival) -> Arrival) -> (u64, Vec<Effect>) {
        self.next += 1;
        let cost = Cost { prompt: 8, max_tokens: 8 };
        let arrival = change(Arrival { cost, ..arrival(self.next, Priority::Normal) });
        (self.next.into(), self.step(Event::Arrived(arrival)))
    }

    pub(super) fn generate(&mut self, line: &LineId) -> (u64, Vec<Effect>) {
        self.ask(Task::Generate(line.clone()))
    }

    pub(super) fn sized(&mut self, line: &LineId, bytes: u64, vocabulary: u64) -> Vec<Effect> {
        self.step(Event::Sized { line: line.clone(), bytes, vocabulary })
    }

    pub(super) fn ready(&mut self, line: &LineId, worker: u64, tenure: Tenure) -> Vec<Effect> {
        let (line, worker) = (line.clone(), WorkerId(worker));
        self.step(Event::Ready { line, worker, slots: 2, cells: 4_096, tenure })
    }

    /// Loads a model for nobody in particular; its worker has the model's number and one.
    pub(super) fn serve(&mut self, number: u8, bytes: u64, tenure: Tenure) -> LineId {
        let line = line(number);
        let (_, loads) = self.ask(Task::Load(line.clone()));
        assert_eq!(loads, [Effect::Load(line.clone())]);
        assert_eq!(self.sized(&line, bytes, 0), [Effect::Start(line.clone())]);
        self.ready(&line, u64::from(number) + 1, tenure);
        line
    }

    /// Asks for a model to be swapped for another file.
    pub(super) fn swap(&mut self, from: &LineId, edition: u32) -> (u64, LineId, Vec<Effect>) {
        let to = LineId { edition: Edition(edition), ..from.clone() };
        let task = Task::Swap { from: from.clone(), to: to.clone() };
        let (ticket, effects) = self.ask(task);
        (ticket, to, effects)
    }

    pub(super) fn gone(&mut self, worker: u64) -> Vec<Effect> {
        let (worker, loss) = (WorkerId(worker), Loss::Innocent);
        self.step(Event::Gone { worker, refusal: lost(), loss })
    }

    pub(super) fn fails(&mut self, line: &LineId, refusal: Refusal) -> Vec<Effect> {
        self.step(Event::LoadFailed { line: line.clone(), refusal })
    }

    pub(super) fn grown(&mut self, job: JobId, emitted: u32) {
        self.step(Event::Grown { job, emitted });
    }

    pub(super) fn wait(&mut self, ms: u64) -> Vec<Effect> {
        self.now_ms += ms;
        self.step(Event::Tick { now_ms: self.now_ms })
    }
}

pub(super) fn stop(worker: u64) -> Effect {
    Effect::Stop(WorkerId(worker))
}

/// Tickets that ended well.
pub(super) fn placed(effects: &[Effect]) -> Vec<Ticket> {
    let placed = effects.iter().filter_map(|effect| match effect {
        Effect::Finish { ticket, end: crate::scheduler::End::Placed } => Some(*ticket),
        _ => None,
    });
    placed.collect()
}

/// The refusal for a line that found no memory.
pub(super) fn no_room(effects: &[Effect]) -> Option<&Refusal> {
    effects.iter().find_map(|effect| match effect {
        Effect::NoRoom { refusal, .. } => Some(refusal),
        _ => None,
    })
}
