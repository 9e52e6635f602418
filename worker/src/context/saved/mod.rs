//! A saved sequence as bytes: a count, so many tokens, and the engine's state of them.
//!
//! The broker proves that a worker of this model wrote them, but that worker may have been taken
//! over since. So the engine sees no state whose layout is not exactly that of such a sequence, and
//! none with a number that is none: it would reach others through the masks of the shared cache.

mod layout;

#[cfg(test)]
mod tests;

use core_wire::limits::CONTEXT_TOKENS_MAX;
use llama_cpp_2::token::LlamaToken;
use thiserror::Error;

pub(crate) use self::layout::check;

/// Bytes of a count and of a token.
const WORD: usize = 4;

/// Bytes that are no saved sequence of this model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the saved context is not as a worker writes it: {0}; save it again")]
pub(crate) struct Broken(pub(crate) &'static str);

/// A saved sequence.
#[derive(Debug)]
pub(crate) struct Saved<'a> {
    /// Its tokens, all of them in the vocabulary; at least one.
    pub(crate) tokens: Vec<LlamaToken>,
    /// What the engine takes.
    pub(crate) state: &'a [u8],
}

/// Count and tokens, to stand before the state.
pub(crate) fn head(tokens: &[LlamaToken]) -> Vec<u8> {
    let count = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
    let tokens = tokens.iter().flat_map(|token| token.0.to_le_bytes());
    count.to_le_bytes().into_iter().chain(tokens).collect()
}

/// Takes a saved sequence apart; the state is looked at by [`check`].
///
/// # Errors
/// [`Broken`].
pub(crate) fn read(bytes: &[u8], n_vocab: u32) -> Result<Saved<'_>, Broken> {
    let (count, rest) = bytes.split_first_chunk::<WORD>().ok_or(Broken("it has no count"))?;
    let count = u32::from_le_bytes(*count);
    if count == 0 || count > CONTEXT_TOKENS_MAX {
        return Err(Broken("its count of tokens is none that any context has"));
    }
    let (tokens, state) =
        rest.split_at_checked(WORD * count as usize).ok_or(Broken("it has fewer tokens"))?;
    let token = |bytes: &[u8]| {
        let id = u32::from_le_bytes(bytes.try_into().ok()?);
        i32::try_from(id).ok().filter(|_| id < n_vocab).map(LlamaToken::new)
    };
    let tokens: Option<Vec<_>> = tokens.chunks_exact(WORD).map(token).collect();
    let tokens = tokens.ok_or(Broken("a token is not in the vocabulary"))?;
    Ok(Saved { tokens, state })
}
