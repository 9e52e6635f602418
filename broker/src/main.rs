//! core-broker: the trusted process. Wiring only; each module tells its own story.
//!
//! The modules are public so that `pub` means "for other modules" here as in a library.

pub mod cli;
pub mod config;
pub mod ipc;
pub mod logging;
pub mod memory;
pub mod models;
pub mod probe;
pub mod report;
pub mod runtime;
pub mod scheduler;
pub mod startup;
pub mod workers;

use std::{io, io::Write, path::Path, process::ExitCode, time::Instant};

use tokio::{
    sync::mpsc,
    task::{LocalSet, spawn_local},
};

use crate::{
    cli::Command,
    config::ConfigError,
    ipc::{Door, FROM_CLIENTS_MAX, Limits, listener::SESSIONS_MAX},
    startup::{
        Started,
        exit::Exit,
        signals::{CONTROL_MAX, Sources},
    },
};

fn main() -> ExitCode {
    let started = Instant::now();
    let exit = match cli::parse() {
        Ok(Command::Serve(args)) => serve(&args, started),
        Ok(Command::Check { config }) => check(&config),
        Ok(Command::Probe(args)) => probe::say(&args),
        Err(exit) => exit,
    };
    exit.into()
}

/// Everything up to here ran on the only thread; the runtime below adds none (decision D1).
fn serve(args: &cli::Serve, started: Instant) -> Exit {
    let log = logging::start(args.log_format);
    let ready = match startup::start(args, log, started) {
        Ok(ready) => ready,
        Err(error) => {
            tracing::error!(exit = error.exit() as u8, "{error}");
            return error.exit();
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.and_then(|runtime| LocalSet::new().block_on(&runtime, run(ready)));
    match ended {
        Ok(exit) => exit,
        Err(error) => {
            tracing::error!(%error, "the broker cannot run");
            Exit::Fault
        }
    }
}

async fn run(started: Started) -> io::Result<Exit> {
    let Started { setup, mut bound, access, ready, control, root_lock } = started;
    let (to_runtime, clients) = mpsc::channel(FROM_CLIENTS_MAX);
    let (to_control, controls) = mpsc::channel(CONTROL_MAX);
    let sources = Sources::register(control)?;
    let listener = bound.take_listener().ok_or(io::ErrorKind::NotConnected)?;
    let limits = Limits {
        sessions_max: SESSIONS_MAX,
        frame_bytes_max: setup.config.client_frame_bytes_max,
        outbox: setup.config.outbox,
    };
    let door = Door::open(listener, access, limits, to_runtime)?;
    spawn_local(sources.forward(to_control));
    if let Err(errno) = ready.announce(&setup.socket) {
        tracing::warn!(%errno, "nobody took the ready line");
    }
    let socket = setup.socket.to_string_lossy();
    tracing::info!(socket = &*socket, pid = std::process::id(), "listening");
    let ended = runtime::run(setup, clients, controls).await;
    door.close().await;
    drop((bound, root_lock));
    Ok(match ended {
        Ok(()) => Exit::Clean,
        Err(fault) => {
            tracing::error!(%fault, "the broker ends by a fault");
            Exit::Fault
        }
    })
}

/// Says what is wrong or odd in a configuration, one line each.
fn check(path: &Path) -> Exit {
    let (kind, findings, exit) = match config::load(path) {
        Ok((_, odd)) => ("warning", odd, Exit::Clean),
        Err(ConfigError::Wrong { findings, .. }) => ("error", findings, Exit::Config),
        Err(error) => {
            logging::say(&error.to_string());
            return Exit::Config;
        }
    };
    let mut out = io::stdout().lock();
    for finding in findings {
        // The exit code says it as well, should nobody read.
        let _ = writeln!(out, "{}:{}: {kind}: {}", path.display(), finding.line, finding.text);
    }
    exit
}
