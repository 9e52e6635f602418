//! Which models there are, and the way from a file to a worker.
//!
//! [`registry`] knows every model and what it is doing, [`listing`] finds them, [`editions`] knows
//! which file each is served from, [`loader`] opens files beneath `models/` and `tokenizers/` and
//! nowhere else, [`files`] those of one model, [`hash`] reads them on the one I/O thread, [`swap`]
//! says when a model may be tried again, [`grammars`] remembers which grammars compiled. Nothing
//! here parses a model (decision D4): what a file holds is what its locked-down worker says of it.

mod editions;
pub(crate) mod files;
pub(crate) mod grammars;
pub(crate) mod hash;
mod listing;
pub(crate) mod loader;
pub(crate) mod registry;
pub(crate) mod swap;

#[cfg(test)]
mod tests;
