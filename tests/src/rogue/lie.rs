//! Every lie of the rogue worker, with the row that it belongs to and what has to come of it.

use clap::ValueEnum;

/// Ids of the vocabulary that a rogue worker says it has; an honest one says them in turn.
pub const VOCABULARY: u32 = 1000;

/// Tokens that most are asked for; three true ones come before a lie.
pub(super) const TOKENS: u32 = 8;
/// Tokens that a patient liar is asked for: more than a request gets before it is given up.
const TOKENS_OF_PATIENCE: u32 = 64;

/// What a client of a lying worker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing is wrong, or the lie harms nobody: the stream ends as asked.
    Done,
    /// The stream ended as asked before the lie; the broker killed the worker all the same.
    Ended,
    /// The broker saw it, and killed the worker. Where that had a job, the next one lies as well,
    /// until the third death.
    Violation,
    /// Likewise, or its time passed: with a suspect that runs alone there is less to look at.
    Found,
    /// The worker died by itself.
    Lost,
    /// It never served: `MODEL_LOAD`.
    NotLoaded,
    /// It gave no sign of life, or kept what is not its own.
    Hung,
    /// The request's time passed.
    Deadline,
    /// Whatever is typed and comes once: what is chosen at random may be no lie at all.
    Typed,
}

impl End {
    /// The codes that tell of it, each with a part of its sentence; none for a stream that ends as
    /// asked.
    pub fn refusals(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Done | Self::Ended => &[],
            Self::Violation => {
                &[("POLICY_VIOLATION", "broke its protocol"), ("QUARANTINED", "broke its protocol")]
            }
            Self::Found => {
                &[("QUARANTINED", "broke its protocol"), ("QUARANTINED", "no sign of life")]
            }
            Self::Lost => &[("QUARANTINED", "another one is started")],
            Self::NotLoaded => &[("MODEL_LOAD", "")],
            Self::Hung => &[("QUARANTINED", "no sign of life")],
            Self::Deadline => &[("DEADLINE", "")],
            Self::Typed => &[
                ("POLICY_VIOLATION", ""),
                ("WORKER_LOST", ""),
                ("WORKER_HUNG", ""),
                ("QUARANTINED", ""),
                ("MODEL_LOAD", ""),
            ],
        }
    }

    /// Whether a refusal is one of these.
    pub fn is_told_by(self, code: &str, message: &str) -> bool {
        self.refusals().iter().any(|(of, part)| *of == code && message.contains(part))
    }
}

/// Declares the lies once: variant, row, end.
macro_rules! lies {
    ($($variant:ident $row:literal $end:ident,)*) => {
        /// One way to lie; the name says it, and `rogue-worker` does it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        #[expect(missing_docs, reason = "each name says it")]
        pub enum Lie { $($variant,)* }

        impl Lie {
            /// The row of the conformance table.
            pub fn row(self) -> &'static str {
                match self { $(Self::$variant => $row,)* }
            }

            /// What has to come of it.
            pub fn end(self) -> End {
                match self { $(Self::$variant => End::$end,)* }
            }
        }
    };
}

lies! {
    // None at all: the stream beside the others, a token each 5 ms.
    Honest "H09" Done,
    // The positions of the ring.
    TailBeyond "H01" Violation,
    TailMax "H01" Violation,
    TailWraps "H02" Violation,
    TailBackwards "H02" Violation,
    TailOdd "H02" Violation,
    HeadBeyond "H02" Found,
    HeadBackwards "H02" Found,
    HeadOdd "H02" Found,
    WakeWords "H02" Done,
    // Headers and bytes of records.
    LengthHuge "H09" Violation,
    LengthOver "H09" Violation,
    LengthZero "H09" Violation,
    PaddingSet "H09" Violation,
    KindZero "H09" Violation,
    KindHigh "H09" Violation,
    ReservedBits "H09" Violation,
    Torn "H09" Violation,
    Utf8 "H09" Violation,
    Trailing "H09" Violation,
    Oversize "H09" Violation,
    HugeCount "H09" Violation,
    // What records mean.
    UnknownJob "H09" Violation,
    DoubleEnd "H09" Violation,
    EndUnasked "H09" Violation,
    AfterEnd "H09" Ended,
    SecondStart "H09" Violation,
    TokenOutside "H09" Violation,
    TokenMax "H09" Violation,
    // Each worker says three true tokens more before it lies, as nothing but a count can tell.
    Patient "H09" Violation,
    TokenTwice "H09" Violation,
    StepRepeats "H09" Violation,
    StepSkips "H09" Violation,
    // Its client has all it asked for, so nothing is asked of another worker.
    TooManyTokens "H09" Ended,
    LogprobNan "H09" Violation,
    LogprobUnasked "H09" Violation,
    ChunkOfTokens "H09" Violation,
    ChunkOrder "H09" Violation,
    ForeignCode "H09" Violation,
    PausedUnasked "H09" Violation,
    Inspected "H09" Violation,
    ReadyAgain "H09" Violation,
    LockedAgain "H09" Violation,
    FailedLate "H09" Violation,
    VariantLate "H09" Violation,
    ProgressLate "H09" Violation,
    // What is said while the model loads.
    ReadyFirst "H09" Violation,
    ProgressBeyond "H09" Violation,
    ProgressNan "H09" Violation,
    HugeVocabulary "H09" Violation,
    NoVocabulary "H09" Violation,
    MoreContext "H09" Violation,
    MoreSlots "H09" Violation,
    ControlText "H09" Violation,
    ManyClaims "H09" Violation,
    // A worker without its sandbox, or with a hole in it.
    Unlocked "T04" NotLoaded,
    ExtraDescriptor "T04" NotLoaded,
    ExtraThread "T04" NotLoaded,
    Unfiltered "T04" NotLoaded,
    Visible "T04" NotLoaded,
    // Deaths.
    DiesLoading "H12" NotLoaded,
    DiesTorn "H12" Lost,
    DiesShown "H12" Typed,
    ExitsZero "H12" Lost,
    Segfaults "H12" Lost,
    // A thread that writes over all of W while the broker reads.
    Scribbles "H01" Violation,
    // Records at random, from the seed behind the name.
    Random "H09" Typed,
    // As fast as it can.
    BellStorm "H11" Violation,
    FloodSteps "H11" Done,
    FloodBells "H11" Typed,
    FloodLog "H11" Done,
    // Nothing more. The bell is full and blocks whoever writes it.
    Silent "H11" Hung,
    BellFull "H11" Hung,
    Deaf "H11" Hung,
    // Signs of life, and no token.
    Beats "H11" Deadline,
}

impl Lie {
    /// All of them.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Its name: also that of its model.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What its model's file holds. The broker hashes any file and parses none.
    pub fn file(self, seed: u64) -> String {
        format!("lie={} seed={seed}\n", self.name())
    }

    /// The lie and the seed that a file asks for.
    pub fn of_file(bytes: &[u8]) -> Option<(Self, u64)> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (name, seed) = text.trim().strip_prefix("lie=")?.split_once(" seed=")?;
        Some((Self::from_str(name, false).ok()?, seed.parse().ok()?))
    }

    /// Tokens that it is asked for.
    pub fn tokens(self) -> u32 {
        if self == Self::Patient { TOKENS_OF_PATIENCE } else { TOKENS }
    }

    /// Whether it is only found by the clock.
    pub fn is_slow(self) -> bool {
        matches!(self.end(), End::Hung | End::Deadline)
    }
}
