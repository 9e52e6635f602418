//! The table's promises that no honest or lying broker can be made to show from outside.

use core_wire::{
    client::{Event, Request},
    ids::RequestId,
};

use super::table::{Routed, Table};
use crate::{
    error::{ProtocolError, RequestError},
    events::AtDrop,
};

fn id(text: &str) -> RequestId {
    RequestId::try_from(text.to_string()).unwrap()
}

#[test]
fn a_fresh_id_avoids_those_of_callers() {
    let table = Table::default();
    table.open(Some(id("r1")), &Request::Models).unwrap();
    table.open(Some(id("r2")), &Request::Models).unwrap();
    assert_eq!(table.open(None, &Request::Models).unwrap().id, id("r3"));
}

#[test]
fn the_first_reason_stays() {
    let table = Table::default();
    let mut opened = table.open(None, &Request::Models).unwrap();
    table.end(ProtocolError::Shape.into());
    table.end(RequestError::Lost);
    let reason: RequestError = ProtocolError::Shape.into();
    assert_eq!(opened.last.try_recv().unwrap(), Err(reason.clone()));
    assert_eq!(table.end_or(RequestError::Lost), reason);
    assert!(table.open(None, &Request::Models).is_err());
}

#[test]
fn what_has_ended_is_not_cancelled() {
    let table = Table::default();
    let opened = table.open(None, &Request::Models).unwrap();
    table.ask_cancel(&opened.id);
    let end = table.route(&opened.id, Event::Models(Vec::new()));
    assert!(matches!(end, Ok(Routed::Settled)));
    assert!(table.take_cancels().is_empty());
    table.ask_cancel(&opened.id);
    assert!(table.take_cancels().is_empty());
}

#[test]
fn an_abandoned_request_stays_until_its_end() {
    let table = Table::default();
    let model = String::new();
    let opened = table.open(None, &Request::Load { model }).unwrap();
    table.abandon(&opened.id, AtDrop::GoOn);
    assert!(table.take_cancels().is_empty());
    let progress = Event::Progress { fraction: 0.5 };
    assert!(matches!(table.route(&opened.id, progress), Ok(Routed::Settled)));
    let end = table.route(&opened.id, Event::Loaded(Default::default()));
    assert!(matches!(end, Ok(Routed::Settled)));
    let again = table.route(&opened.id, Event::Loaded(Default::default()));
    assert!(matches!(again, Err(ProtocolError::UnknownRequest)));
}

#[test]
fn a_sleeper_is_ended_only_for_others() {
    let table = Table::default();
    let model = String::new();
    let mut opened = table.open(None, &Request::Load { model }).unwrap();
    assert!(!table.end_sleeper(&opened.id), "it is alone");
    table.open(None, &Request::Models).unwrap();
    assert!(table.end_sleeper(&opened.id));
    assert!(matches!(opened.last.try_recv(), Ok(Err(RequestError::Refused(_)))));
    assert_eq!(table.take_cancels().len(), 1);
}
