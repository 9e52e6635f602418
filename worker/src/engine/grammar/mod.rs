//! What an answer has to be: grammars, as masks over the vocabulary.
//!
//! A grammar is the client's program for a parser that is not ours, so it meets bounds of ours
//! first (`guard`), then the parser's own in fuel, states and items. All are counts and no clocks,
//! so the same grammar always has the same fate; the one clock (`patience`) stands behind them.
//!
//! The parser catches its own panics, which `panic = "abort"` defeats: the broker lets a throwaway
//! worker compile a grammar before a serving one meets it. An error while serving ends the request;
//! never is a token chosen without its mask.

mod gbnf;
mod guard;
mod limits;
mod patience;
mod refusal;
mod vocabulary;

#[cfg(test)]
mod tests;

use std::{
    cell::{OnceCell, RefCell},
    fmt, panic,
};

use core_wire::{client::params::Grammar, code::Refusal};
use llama_cpp_2::{model::LlamaModel, token::LlamaToken};
use llguidance::{
    Logger, Matcher, ParserFactory,
    api::GrammarInit,
    earley::SlicedBiasComputer,
    toktrie::{InferenceCapabilities, SimpleVob, TokEnv},
};
use thiserror::Error;

use self::patience::{Patience, STEP_TIME_MAX};
use crate::engine::recent::Recent;

/// A grammar cannot be followed further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Failed {
    /// Its parser ran into a limit, or nothing that it allows next is in the vocabulary.
    #[error("the grammar cannot be followed further with this vocabulary and these limits")]
    Stuck,
    /// Its masks held up everybody else's answers.
    #[error(
        "the grammar took more than {} ms for a token again and again; make it say in fewer ways \
         what it says",
        STEP_TIME_MAX.as_millis()
    )]
    Slow,
}

/// Where a grammar stands after a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It goes on, or may.
    Open,
    /// The token completes the answer, and nothing may follow.
    Complete,
    /// The token is the end of an answer that was complete before it.
    Ended,
}

/// Compiles grammars for one vocabulary.
pub(crate) struct Grammars<'m> {
    model: &'m LlamaModel,
    /// Made with the first grammar: most workers never see one.
    factory: OnceCell<Option<ParserFactory>>,
    /// Grammars that were compiled lately, at their first step.
    recent: RefCell<Recent<Grammar, Constraint>>,
}

impl<'m> Grammars<'m> {
    /// Costs nothing until the first grammar comes.
    pub(crate) fn new(model: &'m LlamaModel) -> Self {
        Self { model, factory: OnceCell::new(), recent: RefCell::default() }
    }

    /// `grammar` at its beginning: compiled, and its first step tried, unless that was done lately.
    ///
    /// # Errors
    /// `BAD_GRAMMAR`, with a sentence that names a limit or a place and never a piece of it.
    pub(crate) fn compile(&self, grammar: &Grammar) -> Result<Constraint, Refusal> {
        let mut recent = self.recent.borrow_mut();
        if let Some(compiled) = recent.find(grammar) {
            return Ok(compiled.another());
        }
        let compiled = self.made(grammar)?;
        recent.add(grammar.clone(), compiled.another());
        Ok(compiled)
    }

    /// Compiles `grammar` and tries its first step, and keeps nothing of it.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub(crate) fn check(&self, grammar: &Grammar) -> Result<(), Refusal> {
        self.made(grammar).map(|_compiled| ())
    }

    /// Whether `grammar` was compiled lately, so that it costs next to nothing now.
    pub(crate) fn knows(&self, grammar: &Grammar) -> bool {
        self.recent.borrow().has(grammar)
    }

    /// Drops what was compiled: it holds what somebody asked for.
    pub(crate) fn forget(&self) {
        self.recent.borrow_mut().clear();
    }

    fn made(&self, grammar: &Grammar) -> Result<Constraint, Refusal> {
        let checked = guard::checked(grammar)?;
        let factory = self.factory.get_or_init(|| factory(self.model)).as_ref();
        let factory = factory.ok_or_else(|| {
            refusal::bad("the model's vocabulary is too large for grammars; send none".into())
        })?;
        let limits = limits::parser(grammar);
        let row_items_max = limits.max_items_in_row;
        let mut matcher = Matcher::new(factory.create_parser_from_init_ext(
            GrammarInit::Serialized(checked),
            // Whatever it has to say may be a piece of the grammar.
            Logger::new(0, 0),
            InferenceCapabilities::default(),
            limits,
        ));
        let first = matcher.compute_mask_or_eos();
        match (matcher.get_error(), first) {
            (None, Ok(_)) if rows_beyond(&matcher, row_items_max) => Err(refusal::too_much()),
            (None, Ok(_)) => {
                let vocabulary = factory.tok_env().clone();
                Ok(Constraint { matcher, vocabulary, row_items_max, patience: Patience::default() })
            }
            (Some(said), _) => Err(refusal::of(&said)),
            (None, Err(said)) => Err(refusal::of(&said.to_string())),
        }
    }
}

fn factory(model: &LlamaModel) -> Option<ParserFactory> {
    let vocabulary = vocabulary::trie(model)?;
    let slices = SlicedBiasComputer::general_slices();
    let capabilities = InferenceCapabilities::default();
    let mut factory = ParserFactory::new(&vocabulary, capabilities, &slices).ok()?;
    factory.quiet();
    keep_panic_hook(&factory);
    Some(factory)
}

/// A compiled grammar, and how far an answer has followed it.
pub(crate) struct Constraint {
    matcher: Matcher,
    vocabulary: TokEnv,
    row_items_max: usize,
    patience: Patience,
}

impl Constraint {
    /// One that stands where this one stands and has limits of its own: a shallow copy would count
    /// the states that each of them makes for both.
    fn another(&self) -> Self {
        Self {
            matcher: self.matcher.deep_clone(),
            vocabulary: self.vocabulary.clone(),
            row_items_max: self.row_items_max,
            patience: self.patience.clone(),
        }
    }

    /// The tokens that may come next; of a complete answer only those that end it.
    ///
    /// # Errors
    /// [`Failed`].
    pub(crate) fn mask(&mut self) -> Result<SimpleVob, Failed> {
        self.check()?;
        let Self { matcher, patience, .. } = self;
        let mask = patience.time(|| matcher.compute_mask_or_eos())?;
        if rows_beyond(matcher, self.row_items_max) { Err(patience.failed()) } else { Ok(mask) }
    }

    /// Takes a token in that the last mask allowed, or that an earlier run chose.
    ///
    /// # Errors
    /// [`Failed`].
    pub(crate) fn accept(&mut self, token: LlamaToken) -> Result<Standing, Failed> {
        let id = u32::try_from(token.0).map_err(|_| Failed::Stuck)?;
        if self.vocabulary.tok_trie().eos_tokens().contains(&id) {
            return Ok(Standing::Ended);
        }
        let Self { matcher, patience, .. } = self;
        let taken = patience.time(|| matcher.consume_token(id));
        patience.step_ended();
        taken?;
        self.check()?;
        match (self.matcher.is_stopped(), self.matcher.stop_reason().is_ok()) {
            (false, _) => Ok(Standing::Open),
            (true, true) => Ok(Standing::Complete),
            (true, false) => Err(Failed::Stuck),
        }
    }

    /// Whether the parser is whole and was quick enough.
    fn check(&self) -> Result<(), Failed> {
        if self.patience.is_lost() {
            return Err(Failed::Slow);
        }
        if self.matcher.stop_reason().is_ok() { Ok(()) } else { Err(Failed::Stuck) }
    }
}

/// Whether the rows that the last mask took hold more than `max` items on the average: the parser
/// looks at the length of a row only once a token has led to it, which can be two rows too late.
fn rows_beyond(matcher: &Matcher, max: usize) -> bool {
    matcher.last_step_stats().is_ok_and(|made| made.all_items > made.rows.saturating_mul(max))
}

// A grammar may hold what somebody asks for.
impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Constraint(..)")
    }
}

/// Lets llguidance install the panic hook that it installs once, and puts ours back in its place:
/// its own would collect a backtrace and swallow where the panic was.
fn keep_panic_hook(factory: &ParserFactory) {
    let ours = panic::take_hook();
    let _parser = Matcher::new(factory.create_parser(guard::smallest()));
    panic::set_hook(ours);
}
