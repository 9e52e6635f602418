//! What is injected, what is held, and what came of it.

use nix::sys::signal::Signal;

/// An argument of an injected call.
#[derive(Clone, Debug)]
pub enum Arg {
    /// A number.
    Num(u64),
    /// A pointer to these bytes, which are written to the process first.
    Bytes(Vec<u8>),
    /// A pointer to this text and a NUL.
    Text(String),
    /// A pointer to a `struct iovec` that names these bytes.
    Vector(Vec<u8>),
    /// A pointer to pointers to these words, with a null pointer at the end.
    Words(Vec<String>),
    /// The process's own id.
    Own,
    /// The process that is aimed at; whoever injects puts its number in its place.
    Other,
    /// What the call before answered; whoever injects puts a number in its place.
    Prior,
}

/// What became of an injected call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The process died of this signal.
    Killed(Signal),
    /// The call answered; negative numbers are errors.
    Returned(i64),
    /// The process exited with this status.
    Exited(i32),
}

/// A call at which the process is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number.
    pub number: u64,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// What to do with a call that is about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let it happen.
    Pass,
    /// Let it happen and stop at its exit.
    Hold,
    /// Do not let it happen, and answer this: the layer that it installs is removed.
    Answer(i64),
    /// As `Answer` with 0, and stop at its exit.
    RemoveAndHold,
}
