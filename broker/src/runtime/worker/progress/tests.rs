use core_wire::{
    ids::JobId,
    worker::{Step, StepToken},
};

use super::{
    super::tests::{JOB, TOKENS, give, worker},
    *,
};
use crate::{
    runtime::cores::Cores,
    scheduler::Part,
    workers::{
        cause::Cause,
        recover::{Ended, Verdict},
        watch::{Death, Said},
    },
};

/// Longer than any of these may take.
const LONG: Duration = Duration::from_secs(3600);

/// A worker that serves, with cores and a job, and that shows signs of life; so long ago.
fn idler(want: Want, ago: Duration) -> Worker {
    let mut idler = worker(Part::Whole, want);
    idler.cores = Cores::With;
    let then = Instant::now() - ago;
    idler.ledger.job_mut(JOB).unwrap().want = want;
    idler.progress = Progress::new(then);
    idler.alive_at = Instant::now();
    idler
}

/// Whether signs of life alone are enough after such a time.
fn is_spared(want: Want, ago: Duration) -> bool {
    let mut idler = idler(want, ago);
    idler.check_time(1);
    match &idler.verdict {
        None => true,
        Some(Verdict::Stuck { held_ms }) => {
            assert!(u128::from(*held_ms) >= ago.as_millis(), "{held_ms} ms of {ago:?}");
            false
        }
        Some(other) => panic!("{other:?}"),
    }
}

#[test]
fn who_beats_and_answers_nothing_is_stuck() {
    // Six times the silence that ends a worker, and a second for each 128 KiB of a context.
    let state = Want::State { bytes_max: 256 << 20 };
    for (want, seconds) in [(Want::Ids, 60), (Want::Count { bytes: 0 }, 60), (state, 60 + 2048)] {
        assert!(is_spared(want, Duration::from_secs(seconds - 2)), "{want:?}");
        assert!(!is_spared(want, Duration::from_secs(seconds)), "{want:?}");
    }
}

#[test]
fn who_beats_and_computes_nothing_is_stuck() {
    // Silence, and a second for each of 64 cells: whatever they hold may be computed first.
    let mut facts = idler(TOKENS, Duration::ZERO).facts;
    facts.n_ctx = 64;
    for (seconds, spared) in [(72, true), (74, false)] {
        let mut idler = idler(TOKENS, Duration::from_secs(seconds));
        idler.facts = facts.clone();
        idler.check_time(1);
        assert_eq!(idler.verdict.is_none(), spared, "{seconds} s: {:?}", idler.verdict);
    }
}

#[test]
fn a_word_moves_its_own_clock_and_an_empty_step_moves_none() {
    let step = |tokens| Heard::Step(Step { tokens, ..Step::default() });
    let token = StepToken { job: JOB, token: 1, text: "a".into(), logprob: None, top: vec![] };
    let words = [
        (TOKENS, step(vec![]), false),
        (TOKENS, step(vec![token.clone()]), true),
        (TOKENS, Heard::More, false),
        (Want::Ids, step(vec![token]), false),
        (Want::Ids, Heard::Answered(JOB), true),
        (Want::Floats, Heard::Answered(JOB), true),
        (Want::Ids, Heard::Answered(JobId(7)), false),
    ];
    for (want, heard, moves) in words {
        let mut idler = idler(want, LONG);
        idler.gets_on(&heard);
        idler.check_time(1);
        assert_eq!(idler.verdict.is_none(), moves, "{want:?} {heard:?}");
    }
}

#[test]
fn another_job_of_a_sort_gives_no_more_time_and_the_first_one_all_of_it() {
    for second in [Want::Text, TOKENS] {
        let mut idler = idler(Want::Ids, LONG);
        idler.expects(second, Instant::now());
        idler.check_time(1);
        assert!(idler.verdict.is_some(), "{second:?}");
    }
    let mut idler = idler(Want::Ids, LONG);
    idler.ledger.remove(JOB);
    idler.expects(Want::Ids, Instant::now());
    give(&mut idler, Want::Ids);
    idler.check_time(1);
    assert!(idler.verdict.is_none());
}

#[test]
fn what_is_asked_back_is_given_up_within_the_time_for_a_silence() {
    let mut idler = idler(TOKENS, Duration::ZERO);
    let now = Instant::now();
    idler.park(JOB, now - Duration::from_secs(9));
    idler.check_time(1);
    assert!(idler.verdict.is_none());
    idler.park(JOB, now);
    assert!(idler.due().is_some_and(|due| due <= now + Duration::from_secs(1)), "asked once");
    let mut late = self::idler(TOKENS, Duration::ZERO);
    late.park(JOB, now - Duration::from_secs(11));
    late.check_time(1);
    assert!(matches!(late.verdict, Some(Verdict::Stuck { held_ms: 11_000.. })));
    let (verdict, death, said) = (late.verdict, Death::Signal(9), Said::default());
    assert_eq!(Ended { verdict, death, said }.cause(), Cause::Hung);
}

#[test]
fn the_time_without_cores_is_not_counted() {
    let hours = Duration::from_secs(3 * 3600);
    let mut idler = idler(TOKENS, hours);
    idler.forgive(hours, Instant::now());
    idler.check_time(1);
    assert!(idler.verdict.is_none(), "{:?}", idler.verdict);
}
