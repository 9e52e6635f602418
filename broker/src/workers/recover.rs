//! What the end of a worker means for those who waited for it.

mod verdict;

use core_wire::{
    code::{Code, Refusal},
    worker::{Failed, FailedCause},
};
use nix::libc;

use super::{
    link::Breach,
    watch::{Death, Said},
};

pub(crate) use self::verdict::Verdict;

/// When to try again after a worker was lost: it is replaced at once, and loads from page cache.
const LOST_RETRY_MS: u32 = 500;

/// When to try again after a model's file changed: whoever writes it may need some moments more.
const CHANGED_RETRY_MS: u32 = 1_000;

/// When a worker that loads has ended.
const READING: &str = " while it read the model";

/// How a worker ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Why the broker ended it, if it did.
    pub(crate) verdict: Option<Verdict>,
    /// What its process came to.
    pub(crate) death: Death,
    /// What it said of that.
    pub(crate) said: Said,
}

impl Ended {
    /// What the owners of running requests are told.
    pub(crate) fn while_serving(&self) -> Refusal {
        match &self.verdict {
            Some(Verdict::Breach(breach)) => policy(breach),
            Some(Verdict::Hung { silent_ms }) => {
                let message =
                    format!("the worker gave no sign of life for {silent_ms} ms and was killed");
                Refusal::new(Code::WorkerHung, message).after(LOST_RETRY_MS)
            }
            Some(Verdict::Stuck { held_ms }) => {
                let message = format!(
                    "the worker did nothing it was asked for within {held_ms} ms and was killed"
                );
                Refusal::new(Code::WorkerHung, message).after(LOST_RETRY_MS)
            }
            Some(Verdict::Greedy { asked_ms }) => {
                let message = format!(
                    "the worker did not give its cores back within {asked_ms} ms and was killed"
                );
                Refusal::new(Code::WorkerHung, message).after(LOST_RETRY_MS)
            }
            Some(Verdict::Unprotected { row }) => unprotected(row),
            Some(Verdict::Dismissed) => {
                let message = "the worker was asked to end";
                Refusal::new(Code::WorkerLost, message).after(LOST_RETRY_MS)
            }
            Some(Verdict::Late { compile_ms }) => late(*compile_ms),
            Some(Verdict::Changed { file }) => changed(file),
            Some(Verdict::Memory { used, granted }) => memory(*used, *granted),
            Some(Verdict::Slow { .. } | Verdict::Failed(_)) | None => self.lost(),
        }
    }

    /// What the owner of a grammar is told whose compiler ended: the grammar was all that it worked
    /// on, so it is the cause; but for a host without memory, of which anybody may be.
    pub(crate) fn while_compiling(&self) -> Refusal {
        match self.verdict {
            Some(_) => self.while_serving(),
            None if self.death == Death::NoMemory => self.lost(),
            None => Refusal::new(
                Code::BadGrammar,
                format!("the worker that compiled the grammar {}: write it otherwise", self.death),
            ),
        }
    }

    /// Whether the same grammar would end the same way: a worker that was killed from outside may
    /// have been innocent, and one that was too slow may have had a slow moment.
    pub(crate) fn is_lasting(&self) -> bool {
        let by_others = [Death::Signal(libc::SIGKILL), Death::NoMemory];
        self.verdict.is_none() && !by_others.contains(&self.death)
    }

    /// What those who wait for the model are told.
    pub(crate) fn while_loading(&self) -> Refusal {
        match &self.verdict {
            Some(Verdict::Breach(breach)) => policy(breach),
            Some(Verdict::Failed(failed)) => said(failed),
            Some(Verdict::Unprotected { row }) => unprotected(row),
            Some(Verdict::Slow { load_ms }) => load(&format!(
                "the worker was not ready within {load_ms} ms and was killed: \
                 see whether the file is whole"
            )),
            Some(Verdict::Changed { file }) => changed(file),
            Some(Verdict::Memory { used, granted }) => memory(*used, *granted),
            Some(Verdict::Dismissed) => load("the load was given up, because the broker ends"),
            Some(
                Verdict::Hung { .. }
                | Verdict::Stuck { .. }
                | Verdict::Greedy { .. }
                | Verdict::Late { .. },
            )
            | None => self.died_loading(),
        }
    }

    fn lost(&self) -> Refusal {
        match self.death {
            Death::Policy => Refusal::new(Code::PolicyViolation, self.sentence("")),
            Death::NoMemory | Death::NoAllocation => {
                Refusal::new(Code::Memory, self.sentence("")).after(LOST_RETRY_MS)
            }
            Death::Signal(_) | Death::Exit(_) => {
                let message = format!("{}; another one is started", self.sentence(""));
                Refusal::new(Code::WorkerLost, message).after(LOST_RETRY_MS)
            }
        }
    }

    fn died_loading(&self) -> Refusal {
        match self.death {
            Death::Policy => Refusal::new(Code::PolicyViolation, self.sentence("")),
            Death::NoMemory | Death::NoAllocation => {
                Refusal::new(Code::Memory, self.sentence(READING)).after(LOST_RETRY_MS)
            }
            Death::Signal(_) | Death::Exit(_) => load(&self.sentence(READING)),
        }
    }

    /// How it ended, with its own words where it had some.
    fn sentence(&self, when: &str) -> String {
        match &self.said.words {
            Some(words) => format!("the worker {}{when} and said: {words}", self.death),
            None => format!("the worker {}{when}", self.death),
        }
    }
}

fn late(compile_ms: u64) -> Refusal {
    let message =
        format!("the grammar did not compile within {compile_ms} ms: write a smaller one");
    Refusal::new(Code::BadGrammar, message)
}

fn policy(breach: &Breach) -> Refusal {
    let message = format!("the worker broke its protocol and was killed: {breach}");
    Refusal::new(Code::PolicyViolation, message)
}

fn changed(file: &str) -> Refusal {
    let message = format!(
        "{file} was changed while it was in use, and its worker was ended: \
         put a new file in its place instead of writing into it"
    );
    Refusal::new(Code::ModelChanged, message).after(CHANGED_RETRY_MS)
}

fn memory(used: u64, granted: u64) -> Refusal {
    let message = format!(
        "the worker used {used} bytes of memory of its own, was granted {granted}, and was killed"
    );
    Refusal::new(Code::Memory, message).after(LOST_RETRY_MS)
}

fn unprotected(row: &str) -> Refusal {
    let message = format!(
        "the worker lacks the required protection {row} and was killed: see `corectl audit`"
    );
    Refusal::new(Code::ModelLoad, message)
}

fn said(failed: &Failed) -> Refusal {
    let code = match failed.cause {
        FailedCause::Memory => Code::Memory,
        FailedCause::Lockdown | FailedCause::Variant | FailedCause::Model => Code::ModelLoad,
    };
    Refusal::new(code, failed.message.clone())
}

fn load(message: &str) -> Refusal {
    Refusal::new(Code::ModelLoad, message)
}
