use core_wire::{
    client::{Priority, Prompt, params::Grammar, request::Special},
    code::Code,
    codec,
    ids::{DomainId, JobId},
    limits::{CLIENT_FRAME_BYTES_CEILING, MAX_TOKENS_MAX, STATE_BYTES_MAX},
    worker::{Fragment, Job, JobKind, Payload, Sampling, ToWorker},
};

use super::{Inbox, JOB_BYTES_MAX, Order, Request, WAITING_EXTRA};
use crate::fault::Fault;

fn head(job: u64, prompt_bytes: usize) -> ToWorker {
    ToWorker::Job(Job {
        job: JobId(job),
        kind: JobKind::Tokenize(Special::Plain),
        class: Priority::Normal,
        reuse: None,
        domain: None,
        prompt_bytes: u32::try_from(prompt_bytes).unwrap(),
    })
}

fn fragment(job: u64, offset: usize, bytes: &[u8]) -> ToWorker {
    ToWorker::Fragment(Fragment {
        job: JobId(job),
        offset: u32::try_from(offset).unwrap(),
        bytes: bytes.to_vec(),
    })
}

fn encoded(text: &str) -> Vec<u8> {
    codec::encode(&Payload { prompt: Prompt::Text(text.into()), emitted: Vec::new() }).unwrap()
}

/// Puts a whole request in; answers what the last record asked for.
fn put(inbox: &mut Inbox, job: u64, bytes: &[u8]) -> Order {
    assert_eq!(inbox.take(head(job, bytes.len())).unwrap(), Order::None);
    inbox.take(fragment(job, 0, bytes)).unwrap()
}

#[test]
fn fragments_become_a_request() {
    let mut inbox = Inbox::new(1);
    let bytes = encoded("once upon a time");
    inbox.take(head(7, bytes.len())).unwrap();
    for (index, byte) in bytes.iter().enumerate() {
        assert!(inbox.is_empty(), "it is not whole yet");
        assert_eq!(inbox.take(fragment(7, index, &[*byte])).unwrap(), Order::None);
    }
    let request = inbox.next(|_| true).unwrap();
    assert_eq!(request.job, JobId(7));
    assert!(request.prompt == Prompt::Text("once upon a time".into()));
    assert!(inbox.next(|_| true).is_none());
}

#[test]
fn requests_leave_in_the_order_in_which_they_came() {
    let mut inbox = Inbox::new(1);
    for job in [3, 1, 2] {
        assert_eq!(put(&mut inbox, job, &encoded("x")), Order::None);
    }
    assert!(inbox.remove(JobId(1)) && !inbox.remove(JobId(1)));
    let order: Vec<_> = std::iter::from_fn(|| inbox.next(|_| true)).map(|r| r.job.0).collect();
    assert_eq!(order, [3, 2]);
}

#[test]
fn bytes_that_are_no_prompt_refuse_that_job_only() {
    let mut inbox = Inbox::new(1);
    for bytes in [&b"\xff\xff\xff"[..], &[]] {
        let order = match bytes.len() {
            0 => inbox.take(head(1, 0)).unwrap(),
            _ => put(&mut inbox, 1, bytes),
        };
        assert!(matches!(order, Order::Refuse(r) if r.code == Code::BadFrame));
    }
    assert_eq!(put(&mut inbox, 2, &encoded("fine")), Order::None);
    assert!(inbox.next(|_| true).is_some());
}

#[test]
fn a_prompt_over_the_bound_is_refused_and_not_kept() {
    let mut inbox = Inbox::new(1);
    let total = JOB_BYTES_MAX + 8;
    inbox.take(head(1, total)).unwrap();
    let half = vec![0; total / 2];
    assert_eq!(inbox.take(fragment(1, 0, &half)).unwrap(), Order::None);
    assert!(inbox.open.as_ref().unwrap().bytes.is_empty());
    let order = inbox.take(fragment(1, total / 2, &half)).unwrap();
    assert!(matches!(order, Order::Refuse(r) if r.code == Code::PromptTooLong));
}

#[test]
fn the_largest_prompt_comes_again_with_all_that_it_got() {
    let text = "x".repeat(CLIENT_FRAME_BYTES_CEILING - 16);
    let emitted = vec![u32::MAX; MAX_TOKENS_MAX as usize - 1];
    let payload = Payload { prompt: Prompt::Text(text), emitted };
    let bytes = codec::encode(&payload).unwrap();
    assert!(bytes.len() > 2 * CLIENT_FRAME_BYTES_CEILING);
    let mut inbox = Inbox::new(1);
    assert_eq!(put(&mut inbox, 1, &bytes), Order::None);
    let request = inbox.next(|_| true).unwrap();
    assert!(request.prompt == payload.prompt && request.emitted == payload.emitted);
}

#[test]
fn what_may_not_be_taken_yet_lets_others_pass() {
    let mut inbox = Inbox::new(1);
    for job in [1, 2, 3] {
        assert_eq!(put(&mut inbox, job, &encoded("x")), Order::None);
    }
    let mut take = |dear: u64| inbox.next(|r| r.job != JobId(dear)).map(|r| r.job.0);
    assert_eq!([take(1), take(1), take(1), take(0)], [Some(2), Some(3), None, Some(1)]);
}

#[test]
fn what_a_request_costs_to_prepare_is_seen_before() {
    let request = |kind, emitted: &[u32]| Request {
        job: JobId(1),
        kind,
        class: Priority::Normal,
        reuse: None,
        domain: None,
        state: Vec::new(),
        prompt: Prompt::Text("x".into()),
        emitted: emitted.to_vec(),
        bytes: 1,
    };
    let grammar = Some(Grammar::Regex("a".into()));
    let constrained = Sampling { grammar: grammar.clone(), ..Sampling::default() };
    let mut repeating = Sampling::default();
    repeating.penalties.dry.multiplier = 0.8;
    let generate = |sampling: &Sampling| JobKind::Generate(Box::new(sampling.clone()));
    let plain = request(generate(&Sampling::default()), &[1]);
    assert!(!plain.is_dear(|_| false) && !request(JobKind::Embed, &[]).is_dear(|_| false));
    let fresh = request(generate(&constrained), &[]);
    assert!(fresh.is_dear(|_| false) && !fresh.is_dear(|asked| Some(asked) == grammar.as_ref()));
    assert!(request(generate(&constrained), &[1]).is_dear(|_| true), "it is replayed");
    assert!(request(generate(&repeating), &[]).is_dear(|_| true));
    assert!(request(JobKind::Compile(Grammar::Regex("a".into())), &[]).is_dear(|_| true));
}

#[test]
fn a_full_inbox_refuses() {
    let mut inbox = Inbox::new(2);
    for job in 0..2 + WAITING_EXTRA as u64 {
        assert_eq!(put(&mut inbox, job, &encoded("x")), Order::None);
    }
    let order = put(&mut inbox, 999, &encoded("x"));
    assert!(matches!(order, Order::Refuse(r) if r.code == Code::QueueFull && r.job == JobId(999)));
}

#[test]
fn prompts_that_wait_are_bounded_in_bytes() {
    let mut inbox = Inbox::new(1);
    let big = encoded(&"x".repeat(CLIENT_FRAME_BYTES_CEILING - 16));
    for job in 0..8 {
        assert_eq!(put(&mut inbox, job, &big), Order::None);
    }
    let order = put(&mut inbox, 8, &big);
    assert!(matches!(order, Order::Refuse(r) if r.code == Code::Memory));
    assert!(inbox.next(|_| true).is_some());
    assert_eq!(put(&mut inbox, 9, &big), Order::None, "there is room again");
}

fn restore(job: u64, bytes: usize, domain: u64) -> ToWorker {
    ToWorker::Job(Job {
        job: JobId(job),
        kind: JobKind::Restore,
        class: Priority::Normal,
        reuse: None,
        domain: Some(DomainId(domain)),
        prompt_bytes: u32::try_from(bytes).unwrap(),
    })
}

#[test]
fn a_context_comes_as_it_is_and_one_at_a_time() {
    let mut inbox = Inbox::new(1);
    let state: Vec<u8> = (0..=255).cycle().take(CLIENT_FRAME_BYTES_CEILING).collect();
    inbox.take(restore(1, 9 * state.len(), 1)).unwrap();
    for nth in 0..9 {
        assert_eq!(inbox.take(fragment(1, nth * state.len(), &state)).unwrap(), Order::None);
    }
    inbox.take(restore(2, 4, 1)).unwrap();
    let order = inbox.take(fragment(2, 0, &[0; 4])).unwrap();
    assert!(matches!(order, Order::Refuse(r) if r.code == Code::QueueFull && r.job == JobId(2)));
    assert_eq!(put(&mut inbox, 3, &encoded("x")), Order::None, "prompts do not count it");
    let request = inbox.next(|_| true).unwrap();
    assert!(request.state == state.repeat(9) && request.domain == Some(DomainId(1)));
    inbox.take(restore(4, 4, 1)).unwrap();
    assert_eq!(inbox.take(fragment(4, 0, &[0; 4])).unwrap(), Order::None, "now it is its turn");
}

#[test]
fn a_context_over_the_bound_is_refused_and_not_kept() {
    let mut inbox = Inbox::new(1);
    inbox.take(restore(1, STATE_BYTES_MAX + 1, 1)).unwrap();
    let open = inbox.open.as_ref().unwrap();
    assert!(open.bytes.capacity() == 0 && open.refused.as_ref().unwrap().code == Code::Memory);
}

#[test]
fn what_waits_of_a_forgotten_domain_finds_nothing() {
    let mut inbox = Inbox::new(1);
    inbox.take(restore(1, 4, 7)).unwrap();
    inbox.take(fragment(1, 0, &[0; 4])).unwrap();
    inbox.take(restore(2, 4, 8)).unwrap();
    let order = inbox.take(ToWorker::Forget(DomainId(7))).unwrap();
    assert_eq!(order, Order::Forget(DomainId(7)));
    inbox.take(ToWorker::Forget(DomainId(8))).unwrap();
    assert_eq!(inbox.open.as_ref().unwrap().head.domain, None);
    assert_eq!(inbox.next(|_| true).unwrap().domain, None);
}

#[test]
fn records_out_of_turn_are_faults() {
    let bytes = encoded("abcdef");
    let wrong = [
        vec![fragment(1, 0, &bytes)],
        vec![head(1, bytes.len()), head(2, bytes.len())],
        vec![head(1, bytes.len()), fragment(2, 0, &bytes)],
        vec![head(1, bytes.len()), fragment(1, 1, &bytes[1..])],
        vec![head(1, 2), fragment(1, 0, &bytes)],
        vec![ToWorker::Go],
    ];
    for records in wrong {
        let mut inbox = Inbox::new(1);
        let mut results: Vec<_> = records.into_iter().map(|record| inbox.take(record)).collect();
        let last = results.pop();
        assert!(results.into_iter().all(|result| matches!(result, Ok(Order::None))));
        assert!(matches!(last, Some(Err(Fault::OutOfTurn { .. }))));
    }
}

#[test]
fn cancel_and_stop_go_through_between_fragments() {
    let mut inbox = Inbox::new(1);
    let cancel = inbox.take(ToWorker::Cancel(JobId(4))).unwrap();
    assert_eq!(cancel, Order::Cancel(JobId(4)));
    assert_eq!(inbox.take(ToWorker::Stop).unwrap(), Order::Stop);
}
