//! Tokens of a conversation, overwritten before their memory is given back.
//!
//! What cannot be promised: the prompt as it came in, the sampler's own memory of what it chose,
//! copies that the compiler keeps in registers or on the stack, and pages that the kernel wrote to
//! swap.

#[cfg(test)]
mod tests;

use std::ops::Deref;

use llama_cpp_2::token::LlamaToken;
use zeroize::Zeroize;

/// Room for the first tokens that are added.
const ROOM_MIN: usize = 64;

/// A list of tokens that leaves nothing behind in memory.
#[derive(Default)]
pub(crate) struct Tokens(Vec<LlamaToken>);

impl Tokens {
    /// Adds a token; a list that moves overwrites the place that it leaves.
    pub(crate) fn push(&mut self, token: LlamaToken) {
        if self.0.len() == self.0.capacity() {
            let mut larger = Vec::with_capacity(self.0.len().saturating_mul(2).max(ROOM_MIN));
            larger.extend_from_slice(&self.0);
            overwrite(&mut self.0);
            self.0 = larger;
        }
        self.0.push(token);
    }

    /// Keeps the first `count`.
    pub(crate) fn cut(&mut self, count: u32) {
        let count = self.0.len().min(count as usize);
        overwrite(&mut self.0[count..]);
        self.0.truncate(count);
    }
}

impl From<Vec<LlamaToken>> for Tokens {
    fn from(tokens: Vec<LlamaToken>) -> Self {
        Self(tokens)
    }
}

impl Deref for Tokens {
    type Target = [LlamaToken];

    fn deref(&self) -> &[LlamaToken] {
        &self.0
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        overwrite(&mut self.0);
    }
}

// Tokens are what somebody said; their debug form never shows them.
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

/// How many tokens two lists have in common at their beginning.
pub(crate) fn common(a: &[LlamaToken], b: &[LlamaToken]) -> u32 {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    u32::try_from(same).unwrap_or(u32::MAX)
}

fn overwrite(tokens: &mut [LlamaToken]) {
    tokens.iter_mut().for_each(|token| token.0.zeroize());
}
