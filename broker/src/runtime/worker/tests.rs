use core_policy::profile::Profile;
use core_ring::{BrokerEnd, Layout, create};
use core_wire::{
    ids::{JobId, ModelId, RequestId},
    worker::{KIND_MAX, Locked, Purpose, Ready, ToBroker},
};

use super::{
    time::{COMPILE_WITHIN, UNUSED_AFTER},
    *,
};
use crate::{
    config::Config,
    ipc::Outbox,
    runtime::launch::Plan,
    scheduler::{Edition, Ticket},
    workers::link::{Emitted, Role, Want},
};

pub(super) const JOB: JobId = JobId(1);
pub(super) const TOKENS: Want = Want::Tokens { max: 10, logprobs: None };

/// A worker that serves, with a job.
pub(super) fn worker(part: Part, want: Want) -> Worker {
    let role = match part {
        Part::Whole => Role::Serve { n_ctx: 64, slots: 1 },
        Part::Vocabulary | Part::Grammar => Role::Vocabulary,
    };
    let model = ModelId::try_from("m".to_owned()).unwrap();
    let plan = Plan {
        purpose: Purpose::Choose { variants: Vec::new() },
        role,
        line: Some(LineId { model, part, edition: Edition::default() }),
        files: Files::default(),
        grant: Grant::of_chooser(),
        gpu: None,
        threads: 1,
        within: Duration::from_secs(1),
    };
    let (BrokerEnd { jobs, .. }, _theirs) = create(&Layout::new(KIND_MAX)).unwrap();
    let expect =
        Expect { models: 0, broker_filters: 0, data_max: Some(1 << 30), profile: Profile::Cpu };
    let mut worker = plan.worker(1, Feed::new(jobs), expect);
    let whole = u32::from(part == Part::Whole);
    let facts = ModelFacts { n_ctx: whole, slots: whole, n_vocab: 9, ..ModelFacts::default() };
    let ready = Ready { facts, claims: Vec::new(), threads: 1, locked_us: 1, load_us: 1 };
    for record in [ToBroker::Locked(Locked { claims: Vec::new() }), ToBroker::Ready(ready)] {
        let (kind, payload) = record.encode().unwrap();
        worker.ledger.hear(kind, &payload).unwrap();
    }
    worker.stage = Stage::Serving;
    // Nothing stood still as far as these tests are about something else.
    worker.excused_at = Some(long_ago() + Duration::from_secs(700));
    give(&mut worker, want);
    worker
}

/// Gives a worker its job.
pub(super) fn give(worker: &mut Worker, want: Want) {
    let outbox = Outbox::new(Config::default().outbox);
    let id = RequestId::try_from("r".to_owned()).unwrap();
    let listener = Listener { ticket: Ticket(1), outbox, id, choice: 0, journal: None };
    worker.ledger.submit(JOB, want, Emitted::default(), listener);
}

/// The time of a look that comes later than any limit.
fn long_ago() -> Instant {
    Instant::now() - Duration::from_secs(2 * 600)
}

#[test]
fn a_worker_without_cores_is_not_hung_and_one_with_them_is() {
    let mut paused = worker(Part::Whole, TOKENS);
    paused.alive_at = long_ago();
    assert_eq!(paused.due(), None, "it owes nothing while others compute");
    paused.check_time(0);
    assert!(paused.verdict.is_none());
    paused.cores = Cores::With;
    paused.check_time(0);
    assert!(matches!(paused.verdict, Some(Verdict::Hung { .. })), "{:?}", paused.verdict);
}

#[test]
fn a_brief_answer_is_owed_without_cores() {
    let mut silent = worker(Part::Whole, Want::Ids);
    silent.alive_at = long_ago();
    silent.check_time(0);
    assert!(matches!(silent.verdict, Some(Verdict::Hung { .. })), "{:?}", silent.verdict);
}

#[test]
fn who_keeps_the_cores_is_ended_however_lively_it_is() {
    let mut greedy = worker(Part::Whole, TOKENS);
    greedy.cores = Cores::Asked { at: Instant::now() };
    greedy.check_time(1);
    assert!(greedy.verdict.is_none(), "it has time to finish its step");
    assert!(greedy.due().is_some());
    greedy.cores = Cores::Asked { at: long_ago() };
    greedy.check_time(2);
    assert!(matches!(greedy.verdict, Some(Verdict::Greedy { .. })), "{:?}", greedy.verdict);
}

#[test]
fn a_grammar_has_its_time_and_no_more() {
    let mut compiler = worker(Part::Grammar, Want::Nothing);
    compiler.used_at = Instant::now() - COMPILE_WITHIN / 2;
    compiler.check_time(1);
    assert!(compiler.verdict.is_none());
    compiler.used_at = Instant::now() - COMPILE_WITHIN;
    compiler.check_time(2);
    assert!(matches!(compiler.verdict, Some(Verdict::Late { .. })), "{:?}", compiler.verdict);
}

#[test]
fn a_vocabulary_that_nobody_needs_is_unused_and_not_at_fault() {
    for part in [Part::Vocabulary, Part::Grammar] {
        let mut idle = worker(part, Want::Nothing);
        let now = Instant::now();
        idle.used_at = now - UNUSED_AFTER;
        assert!(!idle.is_unused(now), "it has a job");
        idle.ledger.remove(JOB);
        assert!(idle.is_unused(now));
        assert_eq!(idle.due(), Some(now), "its task is woken once, for its end");
        idle.check_time(0);
        assert!(idle.verdict.is_none());
        idle.used_at = now;
        assert!(!idle.is_unused(now));
    }
    let mut whole = worker(Part::Whole, TOKENS);
    whole.ledger.remove(JOB);
    whole.used_at = long_ago();
    assert!(!whole.is_unused(Instant::now()) && whole.due().is_none());
}

#[test]
fn memory_is_watched_while_there_is_something_to_do_and_not_more_than_granted() {
    let mut busy = worker(Part::Whole, Want::Ids);
    busy.pid = std::process::id();
    let now = Instant::now();
    assert!(busy.memory_due().is_some_and(|due| due > now), "once a second");
    busy.check_memory(now);
    assert!(busy.verdict.is_none(), "it is too early for a look");
    // More than such a worker is granted.
    let touched = std::hint::black_box(vec![1_u8; 64 << 20]);
    let later = now + Duration::from_secs(2);
    busy.check_memory(later);
    drop(touched);
    let granted = busy.grant.private_bytes();
    match busy.verdict {
        Some(Verdict::Memory { used, granted: told }) => assert!(used > granted && told == granted),
        other => panic!("{other:?}"),
    }
    let mut idle = worker(Part::Whole, Want::Ids);
    assert!(idle.ledger.remove(JOB).is_some());
    assert_eq!(idle.memory_due(), None, "an idle broker is not woken");
    // Under a driver of a GPU nothing but this look holds it to what it was granted.
    let limit = idle.expect.data_max.take();
    assert!(idle.memory_due().is_some(), "it has no limit of the kernel");
    idle.stage = Stage::Stopping { until: later };
    assert!(idle.memory_due().is_some(), "nor while it ends");
    idle.expect.data_max = limit;
    assert_eq!(idle.memory_due(), None);
    idle.stage = Stage::Loading { until: later, within: Duration::from_secs(1) };
    assert!(idle.memory_due().is_some(), "loading is something to do");
}

#[test]
fn a_machine_that_stood_still_hangs_nobody_and_excuses_for_a_while_only() {
    let mut frozen = worker(Part::Whole, TOKENS);
    (frozen.cores, frozen.alive_at, frozen.excused_at) = (Cores::With, long_ago(), None);
    frozen.check_time(0);
    assert!(frozen.verdict.is_none(), "the look came as late as the sign of life");
    let due = frozen.due().expect("it is looked at again");
    assert!(due > Instant::now() && due <= Instant::now() + frozen.watchdog);
    // Silent for all of that, seen in time.
    frozen.excused_at = Some(Instant::now() - frozen.watchdog);
    frozen.check_time(0);
    assert!(matches!(frozen.verdict, Some(Verdict::Hung { .. })), "{:?}", frozen.verdict);
}
