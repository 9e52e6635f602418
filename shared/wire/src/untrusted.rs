//! Bytes of another process, until they have been parsed into a type that cannot be wrong.

use std::fmt;

/// A value that another process chose; nothing but [`Untrusted::parse`] gets it out.
///
/// Its `Debug` shows no content: what a peer wrote may be a prompt, and never belongs in a log.
#[derive(Clone, Copy)]
pub struct Untrusted<T>(T);

impl<T> Untrusted<T> {
    /// Marks `value` as chosen by another process.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// Takes the value through `parse`, the only way to what is inside.
    ///
    /// # Errors
    /// Whatever `parse` answers.
    pub fn parse<U, E>(self, parse: impl FnOnce(T) -> Result<U, E>) -> Result<U, E> {
        parse(self.0)
    }
}

impl<T> fmt::Debug for Untrusted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Untrusted(..)")
    }
}
