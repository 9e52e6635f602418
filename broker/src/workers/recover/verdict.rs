//! Why the broker ends a worker.

use std::fmt;

use core_wire::worker::Failed;

use crate::workers::link::Breach;

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
