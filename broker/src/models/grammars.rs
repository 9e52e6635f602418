//! Which grammars compiled, for which model.
//!
//! Compiling a schema takes a worker of its own some milliseconds, and a program asks with the same
//! few schemas again and again. So the last outcomes are remembered, refusals included: a grammar
//! that brought its compiler down is not compiled again. What is remembered is digests and our own
//! sentences, never a text.

use std::collections::VecDeque;

use core_wire::{client::Grammar, code::Refusal};
use sha2::{Digest as _, Sha256};

use super::hash::Digest;

/// Outcomes that are remembered; a program has a handful of schemas, a host some programs.
const KNOWN_MAX: usize = 64;

/// A grammar and the content of the model file that it was compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// SHA-256 of the model's file: the vocabulary is in it.
    pub(crate) model: Digest,
    /// [`digest`] of the grammar.
    pub(crate) grammar: Digest,
}

/// The last outcomes, newest last.
#[derive(Debug, Default)]
pub(crate) struct Grammars {
    known: VecDeque<(Key, Result<(), Refusal>)>,
}

impl Grammars {
    /// What came of a grammar that was compiled before.
    pub(crate) fn outcome(&self, key: &Key) -> Option<&Result<(), Refusal>> {
        self.known.iter().find(|(known, _)| known == key).map(|(_, outcome)| outcome)
    }

    /// Remembers an outcome, and forgets the oldest where there are too many.
    pub(crate) fn remember(&mut self, key: Key, outcome: Result<(), Refusal>) {
        self.known.retain(|(known, _)| *known != key);
        if self.known.len() >= KNOWN_MAX {
            self.known.pop_front();
        }
        self.known.push_back((key, outcome));
    }
}

/// The digest of a grammar: of its kind and its text.
pub(crate) fn digest(grammar: &Grammar) -> Digest {
    let kind: u8 = match grammar {
        Grammar::JsonSchema(_) => 1,
        Grammar::Regex(_) => 2,
        Grammar::Lark(_) => 3,
        Grammar::Gbnf(_) => 4,
    };
    let hash = Sha256::new().chain_update([kind]).chain_update(grammar.source());
    hash.finalize().into()
}
