//! What holds: one row per protection, with the way in which it became known.
//!
//! `audit` prints these rows and `status` prints [`Report::degraded`]. A row is small and has a
//! code of two bytes, so that a worker can send its rows in one record and the broker needs no
//! parser.

mod names;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub use names::{Name, layer};

/// Whether the broker may go on without a protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Required {
    /// Without it no worker is started (exit code 69 when it is known at start-up).
    Required,
    /// Without it the worker runs and `degraded` names the protection.
    Wanted,
}

/// Whether a protection holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Achieved {
    /// It holds.
    Yes,
    /// It does not hold.
    No,
    /// A part of it holds, or the way of looking cannot decide; the value says which.
    Partial,
}

/// How it became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// The broker read /proc while the worker waited, locked and still dumpable.
    OutsideAtLocked,
    /// The broker read /proc after the worker said that it is ready.
    OutsideAtReady,
    /// A forbidden act was tried and failed with the expected error.
    Canary,
    /// The content is read from outside as root by the conformance suite, not at run time.
    Suite,
    /// The broker asked the kernel for the seals of a memfd that it made itself.
    Seal,
    /// The process that applied it asked the kernel afterwards; its own word, so never a proof.
    OwnWord,
    /// The kernel said what it offers; nothing has been applied yet.
    Probe,
}

/// One protection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Stable name, such as `landlock.filesystem`; see [`layer`].
    pub name: &'static str,
    /// Whether the broker may go on without it.
    pub required: Required,
    /// Whether it holds.
    pub achieved: Achieved,
    /// A few words of detail, such as `abi 7`; never text that came from a worker.
    pub value: String,
    /// How it became known.
    pub how: How,
}

impl Row {
    /// A row of a protection that holds.
    pub fn yes(name: Name, how: How, value: impl Into<String>) -> Self {
        Self::new(name, Achieved::Yes, how, value)
    }

    /// A row of a protection that does not hold.
    pub fn no(name: Name, how: How, value: impl Into<String>) -> Self {
        Self::new(name, Achieved::No, how, value)
    }

    /// A row of a protection that holds in part.
    pub fn partial(name: Name, how: How, value: impl Into<String>) -> Self {
        Self::new(name, Achieved::Partial, how, value)
    }

    /// A row with a given outcome.
    pub fn met(name: Name, how: How, achieved: Achieved, value: impl Into<String>) -> Self {
        Self::new(name, achieved, how, value)
    }

    fn new(name: Name, achieved: Achieved, how: How, value: impl Into<String>) -> Self {
        let value = value.into();
        Self { name: name.text, required: name.required, achieved, value, how }
    }

    /// Two bytes for a record: the name's place in [`layer::ALL`], then the outcome.
    pub fn code(&self) -> u16 {
        let place = layer::ALL.iter().position(|name| name.text == self.name);
        let place = place.and_then(|place| u16::try_from(place).ok()).unwrap_or(u16::MAX >> 2);
        let outcome = match self.achieved {
            Achieved::No => 0,
            Achieved::Partial => 1,
            Achieved::Yes => 2,
        };
        (place << 2) | outcome
    }

    /// The row that a worker meant by a code, as its own word and without its text; nothing when
    /// the code means nothing.
    pub fn told(code: u16) -> Option<Self> {
        let name = *layer::ALL.get(usize::from(code >> 2))?;
        let achieved = match code & 3 {
            0 => Achieved::No,
            1 => Achieved::Partial,
            2 => Achieved::Yes,
            _ => return None,
        };
        Some(Self::new(name, achieved, How::OwnWord, String::new()))
    }
}

impl From<bool> for Achieved {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// All rows of one process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// At most one row per name.
    pub rows: Vec<Row>,
}

impl Report {
    /// Takes rows in. Of two rows with one name the one with the better evidence stays; of two with
    /// equal evidence the worse outcome stays, so that a failure is never painted over.
    pub fn merge(&mut self, rows: impl IntoIterator<Item = Row>) {
        for row in rows {
            match self.rows.iter_mut().find(|own| own.name == row.name) {
                Some(own) => own.weigh(row),
                None => self.rows.push(row),
            }
        }
    }

    /// The row of a protection.
    pub fn row(&self, name: Name) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name.text)
    }

    /// Required protections that do not wholly hold.
    pub fn missing_required(&self) -> Vec<&Row> {
        self.failing(Required::Required).collect()
    }

    /// Names of the wanted protections that do not wholly hold, as `status` shows them.
    pub fn degraded(&self) -> Vec<String> {
        self.failing(Required::Wanted).map(|row| row.name.to_owned()).collect()
    }

    fn failing(&self, required: Required) -> impl Iterator<Item = &Row> {
        self.rows
            .iter()
            .filter(move |row| row.required == required && row.achieved != Achieved::Yes)
    }
}

impl Row {
    fn weigh(&mut self, other: Row) {
        let better = other.how.weight() > self.how.weight();
        let worse = other.how.weight() == self.how.weight() && other.achieved != Achieved::Yes;
        if better || worse {
            *self = other;
        }
    }
}

impl How {
    /// Evidence is ordered: what the broker saw itself beats a canary beats a word.
    fn weight(self) -> u8 {
        match self {
            Self::Probe => 0,
            Self::OwnWord => 1,
            Self::Canary | Self::Suite => 2,
            Self::OutsideAtLocked | Self::Seal => 3,
            Self::OutsideAtReady => 4,
        }
    }
}
