use std::{rc::Weak, time::Duration};

use core_wire::code::Code;

use super::{adopt::within, *};
use crate::{config::Config, runtime::journal::Owner};

const SECRET: DetachTicket = DetachTicket([9; 16]);

const ONE: DomainId = DomainId(1);

fn keep(secret: DetachTicket, peer_uid: u32, until_ms: Option<u64>) -> Keep {
    let (mut shares, id) = (Shares::of_answers(), RequestId::try_from(NAME.to_owned()).unwrap());
    let outbox = Outbox::new(Config::default().outbox);
    let owner = Owner::new(Weak::new(), Ticket(1), Duration::ZERO);
    let journal = Journal::new(shares.charge(ONE, 1).unwrap(), 3, (outbox, id), owner);
    Keep { secret, peer_uid, domain: ONE, journal, home: Home::Over, until_ms }
}

#[test]
fn a_ticket_is_good_for_its_user_alone() {
    let mut kept = Kept::default();
    kept.requests.insert(Ticket(1), keep(SECRET, 1000, None));
    kept.requests.insert(Ticket(2), keep(DetachTicket([8; 16]), 1000, None));
    assert_eq!(kept.find(1000, SECRET), Some(Ticket(1)));
    assert_eq!(kept.find(1001, SECRET), None);
    assert_eq!(kept.find(1000, DetachTicket([7; 16])), None);
}

#[test]
fn the_first_to_be_forgotten_is_waited_for() {
    let mut kept = Kept::default();
    assert_eq!(kept.next_due_ms(), None);
    kept.requests.insert(Ticket(1), keep(SECRET, 1000, None));
    assert_eq!(kept.next_due_ms(), None, "it goes on in its session");
    kept.requests.insert(Ticket(2), keep(SECRET, 1000, Some(70)));
    kept.requests.insert(Ticket(3), keep(SECRET, 1000, Some(50)));
    assert_eq!(kept.next_due_ms(), Some(50));
}

#[test]
fn what_is_not_kept_is_said_with_its_bounds() {
    let keep = keep(SECRET, 1000, None);
    assert!(within(3, &keep.journal).is_ok());
    for from in [0, 2, 4] {
        let refusal = within(from, &keep.journal).unwrap_err();
        assert_eq!(refusal.code, Code::BadParameter);
        assert!(refusal.message.contains("from index 3"), "{}", refusal.message);
    }
}

#[test]
fn a_session_that_detaches_all_it_may_leaves_tickets_to_others() {
    let mut kept = Kept::default();
    for number in 0..64 {
        assert_eq!(kept.has_room(ONE), Ok(()));
        kept.requests.insert(Ticket(number), keep(SECRET, 1000, None));
    }
    let refusal = kept.has_room(ONE).unwrap_err();
    assert_eq!(refusal.code, Code::Memory);
    assert!(refusal.message.contains("64 requests of this session"), "{}", refusal.message);
    assert_eq!(kept.has_room(DomainId(2)), Ok(()));
    for number in 64..256 {
        let domain = DomainId(number / 64 + 1);
        kept.requests.insert(Ticket(number), Keep { domain, ..keep(SECRET, 1000, None) });
    }
    assert!(kept.has_room(DomainId(9)).unwrap_err().message.contains("256 of all sessions"));
}
