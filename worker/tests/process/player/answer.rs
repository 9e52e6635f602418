//! What a worker says of jobs, put together and checked on the way.

use core_wire::{
    client::event::FinishReason,
    ids::JobId,
    worker::{Ended, Refused, ToBroker},
};

/// How a generating job went.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) prompt_tokens: Option<u32>,
    pub(crate) cached_tokens: u32,
    pub(crate) tokens: Vec<u32>,
    pub(crate) text: String,
    pub(crate) ended: Option<Ended>,
    pub(crate) refused: Option<Refused>,
    pub(crate) parked: bool,
}

impl Answer {
    pub(crate) fn reason(&self) -> Option<FinishReason> {
        self.ended.as_ref().map(|ended| ended.reason)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_some() || self.refused.is_some() || self.parked
    }
}

/// Takes one record in; the worker must not say anything of a job that is over.
pub(crate) fn note(answers: &mut [Answer], jobs: &[JobId], record: ToBroker) {
    let place = |job: JobId| jobs.iter().position(|&j| j == job).expect("a job of this test");
    match record {
        ToBroker::Started(started) => {
            let answer = &mut answers[place(started.job)];
            assert_eq!(answer.prompt_tokens.replace(started.prompt_tokens), None);
            answer.cached_tokens = started.cached_tokens;
        }
        ToBroker::Step(step) => {
            for token in step.tokens {
                let answer = &mut answers[place(token.job)];
                assert!(answer.prompt_tokens.is_some() && !answer.is_over());
                answer.tokens.push(token.token);
                answer.text.push_str(&token.text);
            }
            for ended in step.ended {
                let answer = &mut answers[place(ended.job)];
                assert!(!answer.is_over());
                answer.ended = Some(ended);
            }
            for parked in step.parked {
                let answer = &mut answers[place(parked)];
                assert!(!answer.is_over());
                answer.parked = true;
            }
        }
        ToBroker::Refused(refused) => {
            let answer = &mut answers[place(refused.job)];
            assert!(!answer.is_over());
            answer.refused = Some(refused);
        }
        other => panic!("not expected: {other:?}"),
    }
}
