//! What the end of a worker means for those who waited for it.

use std::fmt;

use core_wire::{
    code::{Code, Refusal},
    worker::{Failed, FailedCause},
};
use nix::libc;

use super::{link::Breach, watch::Death};

/// When to try again after a worker was lost: it is replaced at once, and loads from page cache.
const LOST_RETRY_MS: u32 = 500;

/// When to try again after a model's file changed: whoever writes it may need some moments more.
const CHANGED_RETRY_MS: u32 = 1_000;

/// Why the broker ended a worker, where it did.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It broke the protocol.
    Breach(Breach),
    /// It had work and gave no sign of life for so long.
    Hung {
        /// Milliseconds.
        silent_ms: u64,
    },
    /// It showed signs of life, and got on with nothing, or held on to what was asked back.
    Stuck {
        /// For so many milliseconds.
        held_ms: u64,
    },
    /// It computed on though its cores were wanted.
    Greedy {
        /// How long it had been asked for them, in milliseconds.
        asked_ms: u64,
    },
    /// It did not compile a grammar in time.
    Late {
        /// The time it had, in milliseconds.
        compile_ms: u64,
    },
    /// It did not become ready in time.
    Slow {
        /// The time it had, in milliseconds.
        load_ms: u64,
    },
    /// A required protection does not hold.
    Unprotected {
        /// Its row.
        row: String,
    },
    /// A file of its model is not what was hashed.
    Changed {
        /// Its name.
        file: String,
    },
    /// It took more memory than it was granted.
    Memory {
        /// Bytes of its own.
        used: u64,
        /// Bytes that it was granted.
        granted: u64,
    },
    /// It said itself that it cannot serve.
    Failed(Failed),
    /// Its work is done: the model is unloaded, the variant is chosen, the broker ends.
    Dismissed,
}

/// For the log, so without any word of the worker's.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Breach(breach) => write!(f, "it broke its protocol: {breach}"),
            Self::Hung { silent_ms } => write!(f, "it gave no sign of life for {silent_ms} ms"),
            Self::Stuck { held_ms } => {
                write!(f, "it lived and did nothing that it was asked for within {held_ms} ms")
            }
            Self::Greedy { asked_ms } => {
                write!(f, "it did not give its cores back within {asked_ms} ms")
            }
            Self::Late { compile_ms } => {
                write!(f, "it did not compile a grammar within {compile_ms} ms")
            }
            Self::Slow { load_ms } => write!(f, "it was not ready within {load_ms} ms"),
            Self::Unprotected { row } => write!(f, "it lacks {row}"),
            Self::Changed { file } => write!(f, "{file} was changed"),
            Self::Memory { used, granted } => {
                write!(f, "it used {used} bytes of memory of its own and was granted {granted}")
            }
            Self::Failed(_) => f.write_str("it said that it cannot serve"),
            Self::Dismissed => f.write_str("it was asked to end"),
        }
    }
}

/// How a worker ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Why the broker ended it, if it did.
    pub(crate) verdict: Option<Verdict>,
    /// What its process came to.
    pub(crate) death: Death,
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
    /// on, so it is the cause.
    pub(crate) fn while_compiling(&self) -> Refusal {
        match self.verdict {
            Some(_) => self.while_serving(),
            None => Refusal::new(
                Code::BadGrammar,
                format!("the worker that compiled the grammar {}: write it otherwise", self.death),
            ),
        }
    }

    /// Whether the same grammar would end the same way: a worker that was killed from outside may
    /// have been innocent, and one that was too slow may have had a slow moment.
    pub(crate) fn is_lasting(&self) -> bool {
        self.verdict.is_none() && self.death != Death::Signal(libc::SIGKILL)
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
            Death::Policy => Refusal::new(Code::PolicyViolation, self.sentence()),
            Death::Signal(_) | Death::Exit(_) => {
                let message = format!("{}; another one is started", self.sentence());
                Refusal::new(Code::WorkerLost, message).after(LOST_RETRY_MS)
            }
        }
    }

    fn died_loading(&self) -> Refusal {
        match self.death {
            Death::Policy => Refusal::new(Code::PolicyViolation, self.sentence()),
            Death::Signal(_) | Death::Exit(_) => {
                load(&format!("{} while it read the model", self.sentence()))
            }
        }
    }

    fn sentence(&self) -> String {
        format!("the worker {}", self.death)
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
