//! Looks and checks of the conformance suite, used on a process that lacks something.

#[allow(dead_code, reason = "the suite makes these looks on fresh workers as well")]
#[path = "../conformance/live/look.rs"]
pub(crate) mod look;
#[allow(dead_code, reason = "the suite makes these checks on whole workers")]
#[path = "../conformance/live/needs.rs"]
pub(crate) mod needs;
#[allow(dead_code, reason = "the suite makes these checks on whole workers")]
#[path = "../conformance/live/rights.rs"]
pub(crate) mod rights;
#[allow(dead_code, reason = "the suite looks at mappings as well")]
#[path = "../conformance/live/symbols.rs"]
mod symbols;

use core_tests::harness::{Broker, Setup};

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Setup<()> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}

fn ready() -> Setup<(Broker, u32)> {
    let broker = Broker::with_story()?;
    let worker = broker.try_load("story")?;
    Ok((broker, worker))
}

fn busy() -> Setup<(Broker, u32)> {
    let broker = Broker::with_long()?;
    let worker = broker.try_load("long")?;
    Ok((broker, worker))
}

/// Where a process has the C library's `abort`.
pub(crate) fn abort_of(pid: u32) -> Setup<u64> {
    symbols::address(pid, "libc.so", |symbol| symbol == "abort")
}
