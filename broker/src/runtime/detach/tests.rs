use std::{rc::Weak, time::Duration};

use core_wire::{
    code::Code,
    ids::JobId,
    worker::{Locked, ModelFacts, Ready, Started, Step, StepToken, ToBroker},
};

use super::{adopt::within, ticket::passed_on, *};
use crate::{
    config::Config,
    runtime::journal::Owner,
    workers::link::{Emitted, Ledger, Role, Want},
};

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
fn sessions_that_detach_all_they_may_leave_tickets_to_others() {
    let mut kept = Kept::default();
    let mut next = 0;
    let mut fill = |domain| {
        let before = next;
        while kept.has_room(domain).is_ok() {
            kept.requests.insert(Ticket(next), Keep { domain, ..keep(SECRET, 1000, None) });
            next += 1;
        }
        (next - before, kept.has_room(domain).unwrap_err())
    };
    let (alone, refusal) = fill(ONE);
    assert_eq!((alone, refusal.code), (96, Code::Memory));
    assert!(refusal.message.contains("96 requests of this session"), "{}", refusal.message);
    assert_eq!(fill(DomainId(2)).0, 48);
    let others: Vec<_> = (3..100).map(|domain| fill(DomainId(domain)).0).collect();
    assert_eq!(others[..3], [24, 12, 6]);
    let ones = others.iter().filter(|&&tickets| tickets == 1).count();
    assert!(ones >= 64, "the reserve is for those: {others:?}");
    let (none, full) = fill(DomainId(100));
    assert_eq!(none, 0);
    assert!(full.message.contains("256 of all sessions, of at most 256"), "{}", full.message);
}

#[test]
fn what_a_worker_said_in_a_lie_does_not_count_as_told() {
    let job = JobId(5);
    let mut ledger = Ledger::new(Role::Serve { n_ctx: 64, slots: 1 });
    let hear = |ledger: &mut Ledger<()>, record: ToBroker| {
        let (kind, payload) = record.encode().unwrap();
        ledger.hear(kind, &payload).map(|_| ())
    };
    hear(&mut ledger, ToBroker::Locked(Locked { claims: Vec::new() })).unwrap();
    let facts = ModelFacts { n_ctx: 64, n_vocab: 100, slots: 1, ..ModelFacts::default() };
    let ready = Ready { facts, claims: Vec::new(), threads: 1, locked_us: 1, load_us: 1 };
    hear(&mut ledger, ToBroker::Ready(ready)).unwrap();
    let mut before = Emitted::default();
    before.push(7);
    assert_eq!(passed_on::<()>(&before, None), 1, "no worker has it");
    ledger.submit(job, Want::Tokens { max: 9, logprobs: None }, before, ());
    let started = Started { job, prompt_tokens: 4, cached_tokens: 0 };
    hear(&mut ledger, ToBroker::Started(started)).unwrap();
    let token = |token| StepToken { job, token, text: String::new(), logprob: None, top: vec![] };
    let tokens = vec![token(1), token(2)];
    let lie = Step { step: 1, tokens, ended: Vec::new(), parked: Vec::new() };
    hear(&mut ledger, ToBroker::Step(lie)).unwrap_err();
    let held = ledger.job_mut(job).unwrap();
    assert_eq!(held.sent, 2, "the first was counted before the second was found");
    assert_eq!(passed_on(&Emitted::default(), Some(&*held)), 1, "and passed on to nobody");
}
