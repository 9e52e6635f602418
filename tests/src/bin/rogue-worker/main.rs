//! A worker that was taken over: it speaks the real protocol to the real broker, behind the real
//! lockdown, and then lies. Which lie is what its model's file says; there is no engine.
//!
//! Installed as `core-worker` in a test's own installation, never anywhere else.
#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "standard error is a worker's log")]

mod boot;
mod deeds;
mod honest;
mod link;
mod records;

use std::error::Error;

use core_policy::apply;

/// Why it ends otherwise than it wanted to.
type Fallible<T> = Result<T, Box<dyn Error>>;

/// EX_SOFTWARE of sysexits.h.
const EXIT_FAULT: i32 = 70;

fn main() {
    if let Err(error) = boot::run() {
        eprintln!("rogue-worker: {error}");
        apply::leave(EXIT_FAULT);
    }
    apply::leave(0);
}
