//! A request that moves to another session is of that one, and of no other.

use core_wire::{client::Priority, code::Code, ids::RequestId};

use super::{
    small::{CONN, NOBODY, arrival, codes, generate, jobs, ready, state, stop, submitted},
    world::{World, pick, request},
};
use crate::{
    ipc::ConnId,
    scheduler::{Arrival, Effect, End, Event, State, Ticket, step},
};

const OTHER: ConnId = ConnId(2);

impl World {
    /// Moves a request to a session that is open, where its name is free.
    pub(super) fn move_one(&mut self, number: u8, conn: ConnId, id: RequestId) {
        let free = self.state.sessions.contains_key(&conn) && !self.state.is_open(conn, &id);
        let Some(ticket) = pick(self.open.keys().copied(), number).filter(|_| free) else {
            return;
        };
        self.step(Event::Moved { ticket, conn, id: id.clone() });
        assert_eq!(self.state.open_as(conn, &id), [ticket]);
    }

    /// Ends a session with all that is open in it, and nothing else.
    pub(super) fn close(&mut self, conn: ConnId) {
        let here = |request: &crate::scheduler::Request| request.conn == conn;
        let requests = self.state.requests.iter();
        let others: Vec<_> =
            requests.filter(|(_, request)| !here(request)).map(|(&ticket, _)| ticket).collect();
        self.step(Event::Closed(conn));
        assert!(others.iter().all(|ticket| self.open.contains_key(ticket)), "another's ended");
        assert!(!self.state.requests.values().any(here), "one of it is left");
    }

    /// Each session knows its own requests and how many of them wait.
    pub(super) fn check_sessions(&self) {
        for (&conn, session) in &self.state.sessions {
            let of = self.state.requests.values().filter(|request| request.conn == conn);
            assert_eq!(session.waiting, of.filter(|request| request.job.is_none()).count());
            for (id, tickets) in &session.open {
                let requests = tickets.iter().map(|ticket| &self.state.requests[ticket]);
                assert!(!tickets.is_empty());
                assert!(requests.into_iter().all(|one| one.conn == conn && one.id == *id));
            }
        }
        let named = self.state.sessions.values().flat_map(|session| session.open.values());
        assert_eq!(named.map(Vec::len).sum::<usize>(), self.state.requests.len());
    }
}

fn moved(state: &mut State, number: u8, conn: ConnId, id: u8) {
    step(state, Event::Opened(conn));
    let ticket = Ticket(number.into());
    assert_eq!(step(state, Event::Moved { ticket, conn, id: request(id) }), []);
}

#[test]
fn one_that_moved_survives_the_end_of_its_session() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    let running = ready(&mut state, 1);
    generate(&mut state, 2, Priority::Normal);
    moved(&mut state, 1, OTHER, 7);
    moved(&mut state, 2, OTHER, 8);
    assert!(!state.is_open(CONN, &request(1)), "its old name is free");
    assert_eq!(step(&mut state, Event::Closed(CONN)), []);
    let effects = stop(&mut state, jobs(&running)[0]);
    assert_eq!(submitted(&effects), [2], "one that waits keeps its place");
}

#[test]
fn it_answers_to_its_new_name_alone() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    ready(&mut state, 1);
    moved(&mut state, 1, OTHER, 7);
    let of_old = Event::Cancelled { conn: CONN, target: request(1).into() };
    assert_eq!(step(&mut state, of_old), []);
    let of_new = Event::Cancelled { conn: OTHER, target: request(7).into() };
    let effects = step(&mut state, of_new);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::CancelJob { .. })));
}

#[test]
fn it_ends_with_the_session_that_has_it() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    moved(&mut state, 1, OTHER, 7);
    assert_eq!(submitted(&step(&mut state, Event::Closed(CONN))), NOBODY);
    let effects = step(&mut state, Event::Closed(OTHER));
    assert_eq!(effects.first(), Some(&Effect::Finish { ticket: Ticket(1), end: End::Unheard }));
}

#[test]
fn it_waits_in_the_count_of_its_new_session() {
    let mut state = state();
    for number in 1..=3 {
        generate(&mut state, number, Priority::Normal);
    }
    moved(&mut state, 1, OTHER, 7);
    assert_eq!(codes(&generate(&mut state, 4, Priority::Normal)), [], "three wait, none too many");
    // Of the four that may wait in all, this session has one.
    let arrival = Arrival { conn: OTHER, ..arrival(5, Priority::Normal) };
    let refused = codes(&step(&mut state, Event::Arrived(arrival)));
    assert_eq!(refused, [(5, Code::QueueFull)]);
}

#[test]
fn one_that_waits_is_not_moved_to_a_session_where_too_many_do() {
    let mut state = state();
    generate(&mut state, 1, Priority::Normal);
    let running = ready(&mut state, 1);
    assert_eq!(submitted(&running), [1]);
    generate(&mut state, 2, Priority::Normal);
    step(&mut state, Event::Opened(OTHER));
    for number in 3..=5 {
        assert_eq!(state.may_move(Ticket(2), OTHER), Ok(()), "there is room for one");
        let arrival = Arrival { conn: OTHER, ..arrival(number, Priority::Normal) };
        assert_eq!(codes(&step(&mut state, Event::Arrived(arrival))), []);
    }
    let refusal = state.may_move(Ticket(2), OTHER).unwrap_err();
    assert_eq!(refusal.code, Code::QueueFull);
    assert_eq!(state.may_move(Ticket(1), OTHER), Ok(()), "one that runs does not wait");
    assert_eq!(state.may_move(Ticket(99), OTHER), Ok(()), "nor does one that is over");
    assert_eq!(state.may_move(Ticket(2), CONN), Ok(()), "there it is one of few");
}
