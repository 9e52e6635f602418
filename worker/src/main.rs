//! The process that runs llama.cpp, and that nobody trusts.
//!
//! The broker starts it with a fixed table of descriptors and an empty environment; everything else
//! comes in the first record of ring B. It gives up what it can, reads the model, gives up the
//! rest, and serves until it is told to stop. Nothing in it is worth attacking: it holds one model,
//! the prompts that it was given, and no way out but its ring.

#![deny(unsafe_code)]

mod boot;
mod context;
mod engine;
mod fault;
mod link;
#[allow(unsafe_code)]
mod llama;

use std::{
    io::{self, Write},
    panic::{self, PanicHookInfo},
    path::Path,
    time::Instant,
};

use core_policy::apply::leave;

/// Exit code after the broker said stop.
pub(crate) const EXIT_STOPPED: i32 = 0;

/// Exit code after a failure that the broker was told: it knows the cause already.
pub(crate) const EXIT_FAILED: i32 = 1;

/// Exit code after a fault: EX_SOFTWARE of sysexits.h.
pub(crate) const EXIT_FAULT: i32 = 70;

/// Bytes of a line in the log; the broker's reader cuts at this as well.
const LINE_BYTES_MAX: usize = 512;

fn main() {
    let began = Instant::now();
    panic::set_hook(Box::new(on_panic));
    match boot::run(began) {
        Ok(()) => leave(EXIT_STOPPED),
        Err(end) => {
            log(&end.to_string());
            leave(match end {
                boot::BootEnd::Told(_) => EXIT_FAILED,
                boot::BootEnd::Untold(_) | boot::BootEnd::Fault(_) => EXIT_FAULT,
            })
        }
    }
}

/// One line of where and never of what: a panic's message may hold a piece of a prompt. The runtime
/// aborts after it, so the broker sees SIGABRT.
fn on_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map_or_else(
        || "nowhere".to_owned(),
        |at| {
            let file = Path::new(at.file()).file_name().unwrap_or_default();
            format!("{}:{}", file.to_string_lossy(), at.line())
        },
    );
    log(&format!("panic at {place}"));
}

/// Writes one line to the log pipe in one call; a full pipe drops it.
fn log(text: &str) {
    let mut line = format!("core-worker: {text}").into_bytes();
    line.truncate(LINE_BYTES_MAX);
    line.push(b'\n');
    let _written = io::stderr().write_all(&line);
}
