//! Answers to save, restore and publish.

use core_wire::{
    client::FinishReason,
    limits::FRAGMENT_BYTES_MAX,
    worker::{Started, ToBroker},
};

use super::said::{JOB, chunk, end, hear, parks, serving, step, token};
use crate::workers::link::{Breach, Emitted, Heard, Ledger, Want};

fn asked(want: Want) -> Ledger<()> {
    let mut ledger = serving();
    ledger.submit(JOB, want, Emitted::default(), ());
    ledger
}

fn started() -> ToBroker {
    ToBroker::Started(Started { job: JOB, prompt_tokens: 4, cached_tokens: 4 })
}

#[test]
fn a_state_is_kept_up_to_what_is_allowed_and_counted_beyond() {
    let mut ledger = asked(Want::State { bytes_max: 6 });
    assert!(matches!(hear(&mut ledger, &chunk(0, false, b"abc")), Ok(Heard::More)));
    assert!(matches!(hear(&mut ledger, &chunk(3, true, b"def")), Ok(Heard::Answered(JOB))));
    assert_eq!(ledger.remove(JOB).unwrap().answer, b"abcdef");
    let mut ledger = asked(Want::State { bytes_max: 6 });
    for (offset, last) in [(0, false), (4, false), (8, true)] {
        hear(&mut ledger, &chunk(offset, last, b"abcd")).unwrap();
    }
    let job = ledger.remove(JOB).unwrap();
    assert_eq!((job.answer.capacity(), job.length), (0, 12));
    let mut ledger = asked(Want::State { bytes_max: 6 });
    let piece = vec![0; FRAGMENT_BYTES_MAX];
    let mut offsets = (0_u32..).step_by(FRAGMENT_BYTES_MAX);
    // A worker that never stops is stopped: 516 MiB are 8,256 pieces.
    let end = offsets.find_map(|at| hear(&mut ledger, &chunk(at, false, &piece)).err());
    assert!(matches!(end, Some(Breach::Beyond { .. })), "{end:?}");
}

#[test]
fn a_count_has_four_bytes_and_nothing_else_answers_for_it() {
    for want in [Want::Count { bytes: 1 }, Want::Published] {
        let counted = hear(&mut asked(want), &chunk(0, true, &[1, 0, 0, 0]));
        assert!(matches!(counted, Ok(Heard::Answered(JOB))), "{counted:?}");
        assert!(hear(&mut asked(want), &chunk(0, true, &[0; 5])).is_err());
        for reason in [FinishReason::Stop, FinishReason::Length, FinishReason::Cancelled] {
            assert!(hear(&mut asked(want), &step(1, vec![], vec![end(reason)])).is_err());
        }
        assert!(hear(&mut asked(want), &step(1, vec![token(JOB, 1)], vec![])).is_err());
    }
}

#[test]
fn only_what_computes_is_started_given_up_and_cancelled() {
    for want in [Want::Count { bytes: 1 }, Want::State { bytes_max: 6 }] {
        assert!(hear(&mut asked(want), &started()).is_err());
        assert!(hear(&mut asked(want), &parks(1, vec![], vec![JOB])).is_err());
    }
    let mut ledger = asked(Want::Published);
    hear(&mut ledger, &started()).unwrap();
    assert!(hear(&mut ledger, &started()).is_err(), "twice");
    hear(&mut ledger, &parks(1, vec![], vec![JOB])).unwrap();
    let mut ledger = asked(Want::Published);
    ledger.job_mut(JOB).unwrap().cancel();
    hear(&mut ledger, &step(1, vec![], vec![end(FinishReason::Cancelled)])).unwrap();
}
