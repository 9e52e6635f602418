//! What a client that was lied to must have been told.

use core_wire::client::Event;

use super::{End, Lie, VOCABULARY};
use crate::harness::Setup;

/// Counts a token, which has to be the next one; answers how many there were before a new worker.
pub(super) fn count(told: &mut u32, event: &Event) -> Setup<Option<u32>> {
    match event {
        Event::Token { id, .. } if *id == (*told + 1) % VOCABULARY => {
            *told += 1;
            Ok(None)
        }
        Event::Resumed { tokens } if *tokens == *told => Ok(Some(*told)),
        Event::Queued { .. } | Event::Progress { .. } => Ok(None),
        other => Err(format!("{other:?} after {told} tokens").into()),
    }
}

/// Whether a request ended as its worker's lie must.
pub(super) fn judge(lie: Lie, events: &[Event]) -> Setup<()> {
    let tokens = events.iter().filter(|event| matches!(event, Event::Token { .. })).count();
    let end = lie.end();
    let ended = match (end, events.last()) {
        (End::Done | End::Ended | End::Typed, Some(Event::Done(done))) => {
            done.usage.completion_tokens as usize == tokens
        }
        (_, Some(Event::Error(refusal))) => end.is_told_by(refusal.code.name(), &refusal.message),
        _ => false,
    };
    match (ended, events.last()) {
        (true, _) if tokens <= lie.tokens() as usize => Ok(()),
        (_, Some(Event::Error(refusal))) => {
            Err(format!("{} after {tokens} tokens: {}", refusal.code.name(), refusal.message)
                .into())
        }
        (_, last) => Err(format!("{last:?} after {tokens} tokens").into()),
    }
}
