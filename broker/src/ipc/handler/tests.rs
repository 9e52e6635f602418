use core_wire::{
    client::{ClientFrame, Request},
    codec,
    ids::{RequestId, SessionId},
};
use proptest::prelude::*;

use super::{Violation, read};

const SESSION: SessionId = SessionId([7; 16]);

fn body(session: SessionId) -> Vec<u8> {
    let id = RequestId::try_from("ab".to_owned()).unwrap();
    codec::encode(&ClientFrame { session, id, request: Request::Models }).unwrap()
}

fn known(violation: &Violation) -> Option<String> {
    violation.farewell().map(|(id, _)| id.as_str().to_owned())
}

#[test]
fn a_frame_of_this_session_is_read() {
    let frame = read(&body(SESSION), SESSION).unwrap();
    assert_eq!((frame.id.as_str(), frame.request), ("ab", Request::Models));
}

#[test]
fn another_session_is_refused_without_a_word() {
    let violation = read(&body(SessionId([8; 16])), SESSION).unwrap_err();
    assert!(matches!(violation, Violation::Session));
    assert!(violation.farewell().is_none());
}

#[test]
fn trailing_and_missing_bytes_name_the_request() {
    let mut long = body(SESSION);
    long.push(0);
    let violation = read(&long, SESSION).unwrap_err();
    assert_eq!(known(&violation).as_deref(), Some("ab"));
    let short = body(SESSION);
    let violation = read(&short[..short.len() - 1], SESSION).unwrap_err();
    assert_eq!(known(&violation).as_deref(), Some("ab"));
}

#[test]
fn a_broken_frame_of_another_session_learns_nothing() {
    let mut long = body(SessionId([8; 16]));
    long.push(0);
    assert_eq!(known(&read(&long, SESSION).unwrap_err()), None);
}

#[test]
fn an_id_that_is_none_is_not_sent_back() {
    for broken in [&[7; 16][..], &[7; 5], &[]] {
        assert_eq!(known(&read(broken, SESSION).unwrap_err()), None);
    }
    let too_long = [&[7; 16][..], &[65], &[b'x'; 65]].concat();
    assert_eq!(known(&read(&too_long, SESSION).unwrap_err()), None);
}

proptest! {
    #[test]
    fn no_bytes_bring_the_reader_down(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes, SESSION);
        let ours = [&SESSION.0[..], &bytes].concat();
        if let Err(violation) = read(&ours, SESSION) {
            let _ = violation.farewell();
        }
    }
}
