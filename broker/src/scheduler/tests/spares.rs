//! A spare takes its worker's place, its line's end is its own, and it goes before anybody else.

use core_wire::client::Priority;

use super::{
    desk::{Desk, no_room, stop},
    loads::Stage,
    small::{WORKER, generate, ready, state, submitted},
    world::{World, line, lost},
};
use crate::scheduler::{
    Arrival, Edition, Effect, End, Event, LineId, Loss, State, Task, Tenure, Ticket, WorkerId,
    step, tests::small::arrival,
};

const SPARE: WorkerId = WorkerId(8);

impl World {
    pub(super) fn check_load_spare(&mut self, line: LineId) {
        let here: Vec<_> = self.workers.values().filter(|worker| worker.line == line).collect();
        assert!(matches!(here[..], [one] if !one.spare), "a spare beside nobody, or a second one");
        assert!(!self.swaps.contains_key(&line.model), "beside a swap");
        let first = self.loading.insert(line.clone(), Stage::Prepared);
        assert!(first.is_none(), "a second load");
        assert_eq!(self.spares.insert(line, false), None);
    }

    pub(super) fn check_promote(&mut self, line: &LineId, worker: WorkerId) {
        let others =
            self.workers.iter().filter(|(id, other)| **id != worker && other.line == *line);
        assert_eq!(others.count(), 0, "promoted beside another");
        let tenure = self.state.lines.get(line).map(|line| line.tenure).unwrap_or_default();
        let worker = self.workers.get_mut(&worker).expect("a live worker");
        assert!(worker.spare && !worker.stopping, "not a spare that is ready");
        // It stays as its line was told that its worker does.
        (worker.spare, worker.keep) = (false, tenure.keep);
        self.succeeds(line);
    }

    /// What the spare of a line was granted is its worker's from now on.
    pub(super) fn succeeds(&mut self, line: &LineId) {
        if let Some(bytes) = self.spared.remove(line) {
            assert_eq!(self.held.insert(line.clone(), bytes), None, "beside another");
        }
    }

    /// Whether a line has a worker that serves it.
    pub(super) fn is_served(&self, line: &LineId) -> bool {
        let serves = |worker: &super::world::Worker| !worker.spare && !worker.stopping;
        self.workers.values().any(|worker| worker.line == *line && serves(worker))
    }

    /// Bytes of spares that end, or may be asked to.
    pub(super) fn going_spares(&self) -> u64 {
        let loading =
            self.spares.iter().filter(|(line, dropped)| **dropped || self.is_served(line));
        let loading = loading.map(|(line, _)| self.spared.get(line).copied().unwrap_or(0));
        let spares = self.workers.values().filter(|worker| worker.spare);
        let ready = spares.filter(|worker| worker.stopping || self.is_served(&worker.line));
        loading.sum::<u64>() + ready.map(|worker| self.spared[&worker.line]).sum::<u64>()
    }
}

/// A line that serves request 1, with a spare that is ready.
fn with_spare() -> State {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    ready(&mut state, 2);
    let asked = step(&mut state, Event::SpareWanted(line(0)));
    assert_eq!(asked, [Effect::LoadSpare(line(0))]);
    assert_eq!(step(&mut state, Event::SpareWanted(line(0))), [], "one at most");
    assert!(state.loads_spare(&line(0)));
    assert_eq!(step(&mut state, is_ready()), []);
    state
}

fn is_ready() -> Event {
    Event::Ready { line: line(0), worker: SPARE, slots: 2, cells: 512, tenure: Tenure::default() }
}

fn gone(state: &mut State, worker: WorkerId) -> Vec<Effect> {
    step(state, Event::Dying(worker));
    step(state, Event::Gone { worker, refusal: lost(), loss: Loss::Innocent })
}

fn unload(state: &mut State, number: u8) -> Vec<Effect> {
    let arrival = Arrival { task: Task::Unload(line(0)), ..arrival(number, Priority::Normal) };
    step(state, Event::Arrived(arrival))
}

#[test]
fn it_serves_at_once_and_another_is_asked_for_after_that() {
    let mut state = with_spare();
    let effects = gone(&mut state, WORKER);
    assert_eq!(submitted(&effects), [1]);
    let promoted = Effect::Promote { line: line(0), worker: SPARE };
    assert_eq!(effects.first(), Some(&promoted));
    assert_eq!(effects.last(), Some(&Effect::LoadSpare(line(0))));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Load(_))));
    assert_eq!(state.occupancy(SPARE), Some((1, 2)));
}

#[test]
fn its_own_end_harms_nobody_and_a_dying_one_is_not_promoted() {
    let mut state = with_spare();
    assert_eq!(gone(&mut state, SPARE), []);
    assert_eq!(step(&mut state, Event::SpareWanted(line(0))), [Effect::LoadSpare(line(0))]);
    let mut state = with_spare();
    step(&mut state, Event::Dying(SPARE));
    let effects = gone(&mut state, WORKER);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Promote { .. })), "{effects:?}");
    let effects = gone(&mut state, SPARE);
    assert_eq!(effects, [Effect::Load(line(0))], "what waits gets a worker all the same");
}

#[test]
fn a_spare_that_is_loading_becomes_the_next_worker() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    ready(&mut state, 2);
    step(&mut state, Event::SpareWanted(line(0)));
    let effects = gone(&mut state, WORKER);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Load(_))), "it loads already");
    assert!(state.began_as_spare(&line(0)) && !state.loads_spare(&line(0)));
    assert_eq!(submitted(&step(&mut state, is_ready())), [1]);
}

#[test]
fn a_spare_that_fails_costs_nobody_a_request() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    ready(&mut state, 2);
    step(&mut state, Event::SpareWanted(line(0)));
    let failed = Event::LoadFailed { line: line(0), refusal: lost() };
    assert_eq!(step(&mut state, failed.clone()), []);
    step(&mut state, Event::SpareWanted(line(0)));
    gone(&mut state, WORKER);
    // Begun as a spare it failed, so it is tried as the worker that it was to become.
    assert_eq!(step(&mut state, failed.clone()), [Effect::Load(line(0))]);
    let effects = step(&mut state, failed);
    let ended = |effect: &Effect| {
        matches!(effect, Effect::Finish { ticket: Ticket(1), end: End::Refused(_) })
    };
    assert!(effects.iter().any(ended), "{effects:?}");
}

#[test]
fn it_ends_with_its_line() {
    let mut state = with_spare();
    let effects = unload(&mut state, 2);
    assert_eq!(effects.first(), Some(&Effect::Stop(SPARE)), "before its worker has finished");
    assert_eq!(gone(&mut state, SPARE), []);
    let effects = gone(&mut state, WORKER);
    assert!(effects.contains(&Effect::Finish { ticket: Ticket(2), end: End::Placed }));
}

#[test]
fn an_unload_is_done_when_its_spare_is_gone_as_well() {
    let mut state = with_spare();
    unload(&mut state, 2);
    let effects = gone(&mut state, WORKER);
    assert!(!effects.contains(&Effect::Finish { ticket: Ticket(2), end: End::Placed }));
}

#[test]
fn one_that_loads_is_dropped_with_its_line() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    ready(&mut state, 2);
    step(&mut state, Event::SpareWanted(line(0)));
    assert_eq!(unload(&mut state, 2).first(), Some(&Effect::DropSpare(line(0))));
    assert_eq!(step(&mut state, is_ready()), [Effect::Stop(SPARE)]);
}

/// A model that takes 40 of 100 bytes, with a spare that takes as much.
pub(super) fn desk_with_spare() -> (Desk, LineId) {
    let mut desk = Desk::new(100);
    let model = desk.serve(0, 40, Tenure::default());
    assert_eq!(desk.step(Event::SpareWanted(model.clone())), [Effect::LoadSpare(model.clone())]);
    assert_eq!(desk.sized(&model, 40, 0), [Effect::Start(model.clone())]);
    (desk, model)
}

#[test]
fn it_holds_memory_of_its_own_and_takes_it_along_when_it_serves() {
    let (mut desk, model) = desk_with_spare();
    assert_eq!(desk.state.granted(), 80);
    assert_eq!(desk.ready(&model, SPARE.0, Tenure::default()), []);
    let lost = desk.gone(1);
    assert!(lost.contains(&Effect::LoadSpare(model.clone())), "{lost:?}");
    assert_eq!(desk.state.granted(), 40, "what the lost one had is free");
    assert_eq!(desk.sized(&model, 40, 0), [Effect::Start(model)]);
    desk.gone(SPARE.0);
    assert_eq!(desk.state.granted(), 40, "that of the one that is begun");
}

#[test]
fn one_that_is_begun_and_then_needed_keeps_its_memory_for_two_tries() {
    let (mut desk, model) = desk_with_spare();
    desk.generate(&model);
    desk.gone(1);
    assert_eq!(desk.state.granted(), 40);
    assert_eq!(desk.fails(&model, lost()), [Effect::Load(model.clone())]);
    assert_eq!(desk.state.granted(), 40);
    desk.fails(&model, lost());
    assert_eq!(desk.state.granted(), 0);
    let (mut desk, model) = desk_with_spare();
    assert_eq!((desk.fails(&model, lost()), desk.state.granted()), (vec![], 40), "the worker's");
}

#[test]
fn nobody_goes_for_it_and_it_goes_first_even_beside_one_that_is_busy() {
    let (mut desk, model) = desk_with_spare();
    desk.ready(&model, SPARE.0, Tenure::default());
    desk.generate(&model);
    desk.generate(&line(1));
    assert_eq!(desk.sized(&line(1), 60, 0), [stop(SPARE.0)]);
    assert_eq!(desk.gone(SPARE.0), [Effect::Start(line(1))]);
    desk.ready(&line(1), 2, Tenure::default());
    desk.step(Event::SpareWanted(model.clone()));
    let refused = desk.sized(&model, 40, 0);
    assert!(no_room(&refused).is_some() && refused.len() == 1, "{refused:?}");
}

#[test]
fn it_goes_for_the_other_file_of_a_swap_and_none_is_begun_beside_one() {
    let (mut desk, model) = desk_with_spare();
    desk.ready(&model, SPARE.0, Tenure::default());
    let to = LineId { edition: Edition(1), ..model.clone() };
    desk.ask(Task::Swap { from: model.clone(), to: to.clone() });
    assert_eq!(desk.step(Event::SpareWanted(model.clone())), [], "it has one");
    assert_eq!(desk.sized(&to, 50, 0), [stop(SPARE.0)]);
    assert_eq!(desk.gone(SPARE.0), [Effect::Start(to.clone())]);
    assert_eq!(desk.step(Event::SpareWanted(model)), [], "beside a swap");
    assert!(desk.ready(&to, 3, Tenure::default()).contains(&stop(1)));
}

#[test]
fn a_swap_that_fits_ends_the_spare_of_the_old_file_with_its_worker() {
    let (mut desk, model) = desk_with_spare();
    desk.ready(&model, SPARE.0, Tenure::default());
    let to = LineId { edition: Edition(1), ..model.clone() };
    desk.ask(Task::Swap { from: model.clone(), to: to.clone() });
    assert_eq!(desk.sized(&to, 20, 0), [Effect::Start(to.clone())]);
    let swapped = desk.ready(&to, 3, Tenure::default());
    assert!(swapped.contains(&stop(SPARE.0)) && swapped.contains(&stop(1)), "{swapped:?}");
    assert_eq!(desk.gone(1), [], "its spare is not gone");
    assert_eq!(desk.gone(SPARE.0), [Effect::Retired(model)]);
    assert_eq!(desk.state.granted(), 20);
}
