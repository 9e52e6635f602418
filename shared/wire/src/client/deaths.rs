//! Why workers died, as `status` counts and explains it.

use serde::{Deserialize, Serialize};

/// Declares the causes once: the field that counts it, its variant, and its name in `--json` and
/// metrics. Append only.
macro_rules! causes {
    ($($(#[doc = $doc:literal])* $variant:ident = $field:ident;)*) => {
        /// Why a worker ended without being asked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum DeathCause { $($(#[doc = $doc])* $variant,)* }

        impl DeathCause {
            /// Every cause.
            pub const ALL: &'static [DeathCause] = &[$(DeathCause::$variant,)*];

            /// Its name in `--json` and metrics.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($field),)* }
            }
        }

        /// Workers that ended without being asked, by cause.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct DeathCounts { $($(#[doc = $doc])* pub $field: u64,)* }

        impl DeathCounts {
            /// How many ended of this cause.
            pub fn of(&self, cause: DeathCause) -> u64 {
                match cause { $(DeathCause::$variant => self.$field,)* }
            }

            /// Counts one more.
            pub fn add(&mut self, cause: DeathCause) {
                match cause { $(DeathCause::$variant => self.$field += 1,)* }
            }
        }
    };
}

causes! {
    /// They made a call that their filter kills for (SIGSYS).
    Policy = policy;
    /// They broke the protocol of their rings.
    Protocol = protocol;
    /// A memory error (SIGSEGV).
    Segfault = segfault;
    /// An assertion (SIGABRT).
    Abort = abort;
    /// An instruction that the CPU does not deliver (SIGILL).
    Illegal = illegal;
    /// A model file that changed or could not be read (SIGBUS).
    Bus = bus;
    /// They took more memory than they were granted, or the kernel had none left.
    Memory = memory;
    /// They gave no sign of life.
    Hung = hung;
    /// Somebody else killed them.
    Killed = killed;
    /// They ended by themselves, or otherwise.
    Exit = exit;
    /// They ended before they were ready, in a way that says nothing of another cause: the file is
    /// no model, or it took too long.
    Load = load;
}

/// The last worker that ended of a cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastDeath {
    /// Why.
    pub cause: DeathCause,
    /// The number of the code that its requests would have been told.
    pub code: u16,
    /// The name of that code.
    pub name: String,
    /// What it served; for one that only looked at a file, that file.
    pub model: String,
    /// Its process id then.
    pub pid: u32,
    /// A sentence.
    pub reason: String,
    /// When, in milliseconds since the epoch.
    pub at_ms: u64,
}
