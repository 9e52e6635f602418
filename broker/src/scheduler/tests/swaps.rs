//! Another file for a model: who moves, who stays, and what becomes of the old worker.

use core_wire::code::Code;

use super::{
    desk::{DRAIN_MS, Desk, no_room, placed, stop},
    small::{CONN, codes, jobs, parks, request_of, stop as end, submitted},
    world::{World, line, lost},
};
use crate::scheduler::{Arrival, Bound, Effect, Event, LineId, Task, Tenure, Ticket, WorkerId};

impl World {
    pub(super) fn check_kept(&mut self, to: &LineId) {
        // One that was refused at once never was one.
        let swap = self.swaps.get(&to.model);
        if swap.is_some_and(|(_, coming)| coming == to) {
            self.swaps.remove(&to.model);
        }
        assert!(self.workers.values().all(|worker| worker.line != *to));
    }

    pub(super) fn check_retired(&self, line: &LineId) {
        assert_ne!(self.current.get(&line.model), Some(&line.edition), "it is in use");
        assert!(self.workers.values().all(|worker| worker.line != *line));
        assert!(!self.awaited(line));
    }
}

fn vocabulary(vocabulary: u64) -> Tenure {
    Tenure { vocabulary, ..Tenure::default() }
}

/// A model with two slots that are taken, and one request that waits.
fn busy(desk: &mut Desk) -> (LineId, Vec<core_wire::ids::JobId>, u64) {
    let model = desk.serve(0, 40, vocabulary(1));
    let (_, first) = desk.generate(&model);
    let (_, second) = desk.generate(&model);
    let (waits, _) = desk.generate(&model);
    (model, [jobs(&first), jobs(&second)].concat(), waits)
}

#[test]
fn beside_the_old_one_what_waits_moves_and_what_runs_ends_where_it_is() {
    let mut desk = Desk::new(100);
    let (old, running, waits) = busy(&mut desk);
    let (ticket, new, begun) = desk.swap(&old, 1);
    assert_eq!(begun, [Effect::Load(new.clone())]);
    assert_eq!(desk.sized(&new, 40, 1), [Effect::Start(new.clone())]);
    let (later, _) = desk.generate(&old);
    let swapped = desk.ready(&new, 7, vocabulary(1));
    assert_eq!(swapped[0], Effect::Swapped { from: old.clone(), to: new.clone() });
    assert_eq!(placed(&swapped), [Ticket(ticket)]);
    assert_eq!(submitted(&swapped), [waits, later], "in their order");
    assert_eq!(end(&mut desk.state, running[0]).len(), 1);
    let last = end(&mut desk.state, running[1]);
    assert!(last.contains(&stop(1)), "the old one has nothing left: {last:?}");
    assert_eq!(desk.gone(1), [Effect::Retired(old)]);
    assert_eq!(desk.state.granted(), 40);
}

#[test]
fn a_file_that_cannot_be_served_changes_nothing() {
    let mut desk = Desk::new(100);
    let (old, running, waits) = busy(&mut desk);
    let (ticket, new, _) = desk.swap(&old, 1);
    let failed = desk.fails(&new, lost());
    assert!(failed.contains(&Effect::Kept(new)), "{failed:?}");
    assert_eq!(codes(&failed), [(ticket, Code::WorkerLost)]);
    assert_eq!(submitted(&end(&mut desk.state, running[0])), [waits]);
}

#[test]
fn where_both_do_not_fit_the_old_one_is_cleared_and_what_runs_continues_on_the_new_one() {
    let mut desk = Desk::new(70);
    let (old, running, waits) = busy(&mut desk);
    desk.grown(running[0], 5);
    desk.grown(running[1], 7);
    let (ticket, new, _) = desk.swap(&old, 1);
    assert_eq!(desk.sized(&new, 60, 1), [], "the old one has to go first");
    assert_eq!(desk.state.next_deadline_ms(), Some(DRAIN_MS));
    assert_eq!(submitted(&end(&mut desk.state, running[0])), [0; 0], "it gets nothing new");
    assert_eq!(parks(&desk.wait(DRAIN_MS)), [running[1]]);
    assert_eq!(desk.state.next_deadline_ms(), None);
    let parked = desk.step(Event::Parked { job: running[1] });
    assert!(parked.contains(&stop(1)), "{parked:?}");
    assert_eq!(desk.gone(1), [Effect::Start(new.clone())]);
    let swapped = desk.ready(&new, 7, vocabulary(1));
    assert_eq!(placed(&swapped), [Ticket(ticket)]);
    assert_eq!(submitted(&swapped), [waits - 1, waits], "the one with tokens in front");
    assert!(swapped.contains(&Effect::Retired(old)), "{swapped:?}");
}

#[test]
fn tokens_of_another_vocabulary_are_waited_for_without_a_deadline() {
    let mut desk = Desk::new(70);
    let (old, running, waits) = busy(&mut desk);
    let (_, new, _) = desk.swap(&old, 1);
    assert_eq!(desk.sized(&new, 60, 2), []);
    assert_eq!(desk.state.next_deadline_ms(), None);
    assert_eq!(desk.wait(10 * DRAIN_MS), []);
    end(&mut desk.state, running[0]);
    assert!(end(&mut desk.state, running[1]).contains(&stop(1)));
    desk.gone(1);
    assert_eq!(submitted(&desk.ready(&new, 7, vocabulary(2))), [waits]);
}

#[test]
fn a_new_one_that_fails_after_the_old_one_went_brings_that_back() {
    let mut desk = Desk::new(70);
    let (old, running, waits) = busy(&mut desk);
    let (ticket, new, _) = desk.swap(&old, 1);
    desk.sized(&new, 60, 1);
    end(&mut desk.state, running[0]);
    end(&mut desk.state, running[1]);
    desk.gone(1);
    let failed = desk.fails(&new, lost());
    assert_eq!(codes(&failed), [(ticket, Code::WorkerLost)]);
    assert!(failed.contains(&Effect::Load(old.clone())), "{failed:?}");
    desk.sized(&old, 40, 1);
    assert_eq!(submitted(&desk.ready(&old, 8, vocabulary(1))), [waits]);
}

#[test]
fn without_room_even_in_the_place_of_the_old_one_that_stays() {
    let mut desk = Desk::new(70);
    let (old, running, waits) = busy(&mut desk);
    let (_, new, _) = desk.swap(&old, 1);
    let refused = desk.sized(&new, 71, 1);
    let refusal = no_room(&refused).expect("refused").clone();
    desk.fails(&new, refusal);
    assert_eq!(submitted(&end(&mut desk.state, running[0])), [waits]);
}

#[test]
fn what_is_bound_to_the_old_file_or_ran_there_ends_there_even_if_its_worker_dies() {
    let mut desk = Desk::new(100);
    let (old, _, waits) = busy(&mut desk);
    let task = Task::Generate(old.clone());
    let (bound, _) = desk.bring(|arrival| Arrival { task, bound: Bound::Edition, ..arrival });
    let (_, new, _) = desk.swap(&old, 1);
    desk.sized(&new, 40, 1);
    assert!(!submitted(&desk.ready(&new, 7, vocabulary(1))).contains(&bound));
    let lost = desk.gone(1);
    assert!(lost.contains(&Effect::Load(old.clone())), "{lost:?}");
    desk.sized(&old, 40, 1);
    let again = desk.ready(&old, 8, vocabulary(1));
    assert_eq!(submitted(&again), [waits - 2, waits - 1], "who ran there is in front");
    assert_eq!(submitted(&end(&mut desk.state, jobs(&again)[0])), [bound]);
}

#[test]
fn one_swap_at_a_time_and_an_unload_waits_for_its_end() {
    let mut desk = Desk::new(100);
    let model = desk.serve(0, 40, vocabulary(1));
    let (_, new, _) = desk.swap(&model, 1);
    let (second, other, refused) = desk.swap(&model, 2);
    assert_eq!(codes(&refused), [(second, Code::QueueFull)]);
    assert!(refused.contains(&Effect::Kept(other)), "{refused:?}");
    let (unload, waits) = desk.ask(Task::Unload(model.clone()));
    assert_eq!(waits, []);
    desk.sized(&new, 40, 1);
    let swapped = desk.ready(&new, 7, vocabulary(1));
    assert!(swapped.contains(&stop(7)) && swapped.contains(&stop(1)), "{swapped:?}");
    assert_eq!(placed(&desk.gone(7)), [Ticket(unload)]);
}

#[test]
fn a_swap_goes_on_without_the_one_who_asked_and_a_drain_waits_for_it() {
    let mut desk = Desk::new(100);
    let model = desk.serve(0, 40, vocabulary(1));
    let (ticket, new, _) = desk.swap(&model, 1);
    let ended = desk.step(Event::Cancelled { conn: CONN, target: request_of(ticket) });
    assert_eq!(ended.len(), 1, "{ended:?}");
    desk.sized(&new, 20, 1);
    let swapped = desk.ready(&new, 7, vocabulary(1));
    assert!(matches!(swapped[0], Effect::Swapped { .. }), "{swapped:?}");
    desk.gone(1);
    let (_, newer, _) = desk.swap(&new, 2);
    assert!(!desk.step(Event::Drain).contains(&Effect::Drained));
    desk.sized(&newer, 20, 1);
    assert!(desk.ready(&newer, 8, vocabulary(1)).contains(&Effect::Drained));
}

#[test]
fn a_model_that_is_not_loaded_is_loaded_once_from_the_new_file() {
    let mut desk = Desk::new(100);
    let (_, new, begun) = desk.swap(&line(0), 1);
    assert_eq!(begun, [Effect::Load(new.clone())]);
    let (waits, told) = desk.generate(&line(0));
    assert!(!told.contains(&Effect::Load(line(0))), "{told:?}");
    assert_eq!(desk.state.awaiting(&new).len(), 2, "both are told how far it has come");
    desk.sized(&new, 40, 1);
    assert_eq!(submitted(&desk.ready(&new, 7, vocabulary(1))), [waits]);
}

#[test]
fn an_old_worker_that_dies_while_it_is_cleared_arms_no_timer_for_the_past() {
    let mut desk = Desk::new(70);
    let (old, _, waits) = busy(&mut desk);
    let (_, new, _) = desk.swap(&old, 1);
    desk.sized(&new, 60, 1);
    desk.step(Event::Dying(WorkerId(1)));
    assert_eq!(desk.wait(2 * DRAIN_MS), []);
    assert_eq!(desk.state.next_deadline_ms(), None);
    assert!(desk.gone(1).contains(&Effect::Start(new.clone())));
    let swapped = desk.ready(&new, 7, vocabulary(1));
    assert_eq!(submitted(&swapped), [waits - 2, waits - 1], "who ran there is in front");
}
