//! What a lost worker held stays for the next.

use core_wire::code::Code;

use super::{
    desk::{Desk, no_room},
    small::{CONN, codes, request_of, submitted},
    world::{line, lost},
};
use crate::scheduler::{Effect, Event, Tenure};

#[test]
fn what_a_lost_worker_held_is_given_to_nobody_else_while_the_next_one_is_prepared() {
    let mut desk = Desk::new(100);
    let model = desk.serve(0, 60, Tenure::default());
    let (ticket, _) = desk.generate(&model);
    assert!(desk.gone(1).contains(&Effect::Load(model.clone())));
    assert_eq!(desk.state.granted(), 60);
    // Another model asks meanwhile, for what seems to be free.
    desk.generate(&line(1));
    let refused = desk.sized(&line(1), 60, 0);
    assert!(no_room(&refused).is_some_and(|refusal| refusal.retry_after_ms.is_some()));
    desk.fails(&line(1), lost());
    assert_eq!(desk.sized(&model, 55, 0), [Effect::Start(model.clone())]);
    assert_eq!(desk.state.granted(), 55, "in the place of the old one");
    assert_eq!(submitted(&desk.ready(&model, 2, Tenure::default())), [ticket]);
}

#[test]
fn it_is_free_again_once_the_next_worker_fails_or_nobody_needs_it() {
    let mut desk = Desk::new(100);
    let model = desk.serve(0, 60, Tenure::default());
    let (ticket, _) = desk.generate(&model);
    desk.gone(1);
    assert_eq!(codes(&desk.fails(&model, lost())), [(ticket, Code::WorkerLost)]);
    assert_eq!(desk.state.granted(), 0);
    // A worker that is lost with what nobody waits for any more leaves nothing behind.
    let model = desk.serve(0, 60, Tenure::default());
    let (ticket, _) = desk.generate(&model);
    desk.step(Event::Cancelled { conn: CONN, target: request_of(ticket) });
    assert_eq!(desk.gone(1), []);
    assert_eq!(desk.state.granted(), 0);
}
