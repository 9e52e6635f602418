//! Worker processes: how one is started, what it may say, and how its end is understood.
//!
//! [`spawn`] forks and executes, and is the only place of the broker with unsafe code. [`link`]
//! checks every record of a worker against what it was asked; whatever does not fit is a
//! [`link::Breach`], after which the worker is killed. [`feed`] carries jobs to it, in fragments
//! and no faster than it reads. [`watch`] tells apart how processes end and reads their log, and
//! [`recover`] says what that means for those who waited.

pub(crate) mod cause;
pub(crate) mod feed;
pub(crate) mod lease;
pub(crate) mod link;
pub(crate) mod recover;
pub(crate) mod spawn;
pub(crate) mod watch;

#[cfg(test)]
mod tests;
