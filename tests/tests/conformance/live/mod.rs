//! Rows that look at a worker of the real broker while it serves.

mod attack;
mod filters;
mod look;

use core_tests::harness::{Broker, Setup};

/// A row and how it is checked.
pub(crate) struct Row {
    /// Its id.
    pub(crate) id: &'static str,
    /// What is looked at.
    pub(crate) what: &'static str,
    /// The check.
    pub(crate) check: fn() -> Setup<()>,
}

/// All rows of this kind: what is only looked at, what the kernel holds, what is attacked.
pub(crate) fn all() -> [Vec<Row>; 3] {
    let row = |id, what, check| Row { id, what, check };
    let looked_at = vec![
        row("D01", "descriptors at READY are exactly 0 to 3", look::descriptors),
        row("D03", "no terminal, no controlling terminal", look::no_terminal),
        row("D05", "argv names nothing but the program", look::arguments),
        row("R01", "limits, hard and soft alike", look::limits),
        row("N13", "no namespace is shared with the broker", look::namespaces),
        row("P21", "every thread is filtered, under load too", look::threads),
    ];
    let held = vec![
        row("S01", "the shipped filters, 20 calls at most, on all threads", filters::narrow),
        row("S02", "no x32 and no i386 call passes them", filters::other_abis_are_closed),
    ];
    let attacked = vec![
        row("N01", "a live worker opens a socket: it dies, its client is told", attack::socket),
        row("N17", "the broker itself cannot open an INET socket", attack::broker_socket),
        row("F07", "the broker writes temp/ and cache/ only", attack::broker_writes),
        row("H08", "the ring that the broker writes cannot be made writable", attack::ring),
        row("P27", "SIGABRT and SIGSEGV are told from an attack", attack::crashes),
    ];
    [looked_at, held, attacked]
}

fn ready() -> Setup<(Broker, u32)> {
    let broker = Broker::with_story()?;
    let worker = broker.load("story");
    Ok((broker, worker))
}

/// A worker whose streams outlast what is done to it.
fn busy() -> Setup<(Broker, u32)> {
    let broker = Broker::with_long()?;
    let worker = broker.load("long");
    Ok((broker, worker))
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Setup<()> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}
