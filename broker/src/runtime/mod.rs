//! The run loop: one thread, one state, many waiters (decisions D1 and D2).
//!
//! [`Core`] is everything the broker knows. Whatever happens, a client's frame, a worker's record,
//! a timer, becomes an event of the scheduler, and [`perform`] does what it answers. One task turns
//! the wheel for clients and timers ([`run`]), one belongs to each worker ([`tend`]); they share
//! the core, borrow it for a moment between two waits, and never across one. Timers are armed only
//! while something can become due, so an idle broker is not woken at all.

mod admit;
mod arrive;
mod check;
mod choices;
mod content;
mod contexts;
mod core;
mod cores;
mod deaths;
mod detach;
mod fit;
mod generate;
mod gpu;
mod hear;
mod inspect;
mod jobs;
mod journal;
mod killed;
mod launch;
mod live;
mod load;
mod lost;
mod perform;
mod spare;
mod submit;
mod survey;
mod swap;
mod tell;
mod tend;
mod variant;
mod vocabulary;
mod worker;

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, VecDeque},
    io,
    path::PathBuf,
    rc::{Rc, Weak},
    time::Duration,
};

use core_wire::{client::status::RequestCounts, code::Refusal, worker::Device};
use thiserror::Error;
use tokio::{
    sync::{Notify, OnceCell, mpsc, oneshot},
    task::yield_now,
    time::{Instant, sleep_until, timeout},
};

use self::{
    arrive::After,
    choices::{Group, GroupId},
    contexts::{Client, Contexts},
    deaths::Deaths,
    detach::Kept,
    inspect::Inspections,
    live::Live,
    worker::Worker,
};
use crate::{
    ipc::{ConnId, FROM_CLIENTS_MAX, FromClient},
    memory::{self, shares::Shares},
    models::{grammars::Grammars, hash::Hasher, registry::Registry, swap::Attempts},
    report::Seen,
    scheduler::{self, LineId, Ticket, WorkerId},
    startup::{Control, Setup},
    workers::lease::Leases,
};

/// How long workers have to end by themselves when the broker ends; they run nothing then.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// How long killed workers have to be gone; the kernel needs milliseconds, a loaded machine more.
const KILL_WAIT: Duration = Duration::from_secs(5);

/// How long clients may be served before workers have their turn: less than a step of the smallest
/// model. A request that is cheap to send may be dear to answer; an audit reads /proc for a
/// millisecond, and 256 of them held up every stream for 0.13 s.
const TURN: Duration = Duration::from_millis(1);

/// Why the broker cannot go on.
#[derive(Debug, Error)]
pub(crate) enum Fault {
    /// The I/O thread.
    #[error("the thread that reads model files cannot be started: {0}")]
    Thread(io::Error),
}

/// The core, as its tasks share it.
pub(crate) type Shared = Rc<RefCell<Core>>;

/// Everything the broker knows.
pub(crate) struct Core {
    me: Weak<RefCell<Core>>,
    setup: Setup,
    scheduler: scheduler::State,
    registry: Registry,
    hasher: Hasher,
    /// The best CPU variant, found once by a throwaway worker.
    variant: Rc<OnceCell<PathBuf>>,
    clients: HashMap<ConnId, Client>,
    contexts: Contexts,
    live: BTreeMap<Ticket, Live>,
    /// What may outlive its connection.
    kept: Kept,
    /// Requests of several completions.
    groups: BTreeMap<GroupId, Group>,
    /// What follows from the effects that are being performed, once all of them are.
    after: VecDeque<After>,
    grammars: Grammars,
    /// The last failures of vocabulary workers; one entry for each file at most.
    vocabularies: BTreeMap<LineId, Attempts>,
    workers: BTreeMap<WorkerId, Worker>,
    /// Who waits for the memory of a line's worker.
    unsized_lines: BTreeMap<LineId, oneshot::Sender<Result<(), Refusal>>>,
    /// What inspectors said of models.
    inspections: Inspections,
    /// GPUs that the last of them told of.
    devices: Vec<Device>,
    leases: Leases,
    prompts: Shares,
    /// What workers were granted of GPUs.
    gpus: memory::gpu::Ledger,
    counts: RequestCounts,
    /// Workers that ended without being asked.
    deaths: Deaths,
    /// The last of the kernel's kills for lack of memory that explains one of them.
    oom_explained: u64,
    /// What is known of the broker's own protections.
    own: Seen,
    next_ticket: u64,
    next_worker: u64,
    next_group: u64,
    ending: Ending,
    /// Wakes the run loop when a deadline or the end has moved.
    retime: Rc<Notify>,
    /// When an unknown model is next worth a look at models/.
    next_look: Instant,
    /// Wakes the run loop when a worker is gone.
    worker_gone: Rc<Notify>,
}

/// Whether the broker is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It is not.
    No,
    /// Once everything has ended, or was cut off at this time.
    At(Instant),
    /// Everything has ended.
    Now,
}

/// Serves until everything has ended after a drain that was asked for by a signal, by the control
/// descriptor, or by a client's `Shutdown`.
///
/// # Errors
/// [`Fault`]; the process ends with code 70.
pub(crate) async fn run(
    setup: Setup,
    mut clients: mpsc::Receiver<FromClient>,
    mut control: mpsc::Receiver<Control>,
) -> Result<(), Fault> {
    let core = Core::start(setup)?;
    core.borrow_mut().preload();
    let retime = core.borrow().retime.clone();
    while !core.borrow().is_over() {
        let due = core.borrow().next_due();
        tokio::select! {
            biased;
            Some(order) = control.recv() => core.borrow_mut().order(order),
            Some(message) = clients.recv() => {
                turn(&core, message, &mut clients);
                // This loop would go on while there are messages; workers have their turn first.
                yield_now().await;
            }
            () = retime.notified() => {}
            () = wait_until(due) => core.borrow_mut().tick(),
        }
    }
    dismiss(&core).await;
    Ok(())
}

/// Takes what clients have sent by now, as far as one turn of the loop allows.
fn turn(core: &Shared, first: FromClient, clients: &mut mpsc::Receiver<FromClient>) {
    let end = Instant::now() + TURN;
    let mut core = core.borrow_mut();
    core.client(first);
    for _ in 0..FROM_CLIENTS_MAX {
        if Instant::now() >= end {
            break;
        }
        match clients.try_recv() {
            Ok(message) => core.client(message),
            Err(_) => break,
        }
    }
    // Here as well, so that clients who never stop cannot hold up a deadline.
    core.tick();
}

/// Waits for a time, or for ever where there is none.
async fn wait_until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Ends all workers: first asked, then killed.
async fn dismiss(core: &Shared) {
    core.borrow_mut().stop_all();
    if timeout(STOP_WAIT, all_gone(core)).await.is_err() {
        core.borrow_mut().kill_all();
        if timeout(KILL_WAIT, all_gone(core)).await.is_err() {
            tracing::error!("workers are left; the kernel ends them with the broker");
        }
    }
}

async fn all_gone(core: &Shared) {
    let gone = core.borrow().worker_gone.clone();
    while !core.borrow().workers.is_empty() {
        gone.notified().await;
    }
}
