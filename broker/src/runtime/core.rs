//! The core's start, its clock, and its end.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, VecDeque},
    os::fd::AsFd as _,
    rc::{Rc, Weak},
    thread,
    time::Duration,
};

use core_wire::client::status::RequestCounts;
use tokio::time::Instant;

use super::{
    Core, Ending, Fault, Shared, contexts::Contexts, deaths::Deaths, detach::Kept,
    inspect::Inspections, tell::epoch_ms,
};
use crate::{
    config,
    memory::{gpu::Ledger, pool, shares::Shares},
    models::{grammars::Grammars, hash::Hasher, registry::Registry},
    report::Seen,
    scheduler::{self, Event, Limits},
    startup::{Control, Setup},
    workers::lease::Leases,
};

impl Core {
    pub(super) fn start(setup: Setup) -> Result<Shared, Fault> {
        let hasher = Hasher::start().map_err(Fault::Thread)?;
        let core = Rc::new_cyclic(|me| RefCell::new(Self::new(me.clone(), setup, hasher)));
        core.borrow_mut().scan();
        core.borrow_mut().open_own_session();
        Ok(core)
    }

    fn new(me: Weak<RefCell<Self>>, setup: Setup, hasher: Hasher) -> Self {
        let scheduler = scheduler::State::new(limits(&setup));
        let contexts = Contexts::open(&setup);
        let mut own = Seen::default();
        own.merge(setup.own_rows.iter().cloned(), epoch_ms());
        Self {
            me,
            setup,
            scheduler,
            registry: Registry::default(),
            hasher,
            variant: Rc::default(),
            clients: HashMap::new(),
            contexts,
            live: BTreeMap::new(),
            kept: Kept::default(),
            groups: BTreeMap::new(),
            after: VecDeque::new(),
            grammars: Grammars::default(),
            vocabularies: BTreeMap::new(),
            workers: BTreeMap::new(),
            unsized_lines: BTreeMap::new(),
            inspections: Inspections::default(),
            devices: Vec::new(),
            leases: Leases::new(cores()),
            prompts: Shares::of_prompts(),
            oom_explained: 0,
            gpus: Ledger::default(),
            counts: RequestCounts::default(),
            deaths: Deaths::default(),
            own,
            next_ticket: 0,
            next_worker: 0,
            next_group: 0,
            ending: Ending::No,
            retime: Rc::default(),
            next_look: Instant::now(),
            worker_gone: Rc::default(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.ending == Ending::Now
    }

    /// Milliseconds since the start: the scheduler's clock.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.setup.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        let started = Instant::from_std(self.setup.started);
        let deadline = self.scheduler.next_deadline_ms();
        let deadline = deadline.map(|ms| started + Duration::from_millis(ms));
        let cut = match self.ending {
            Ending::At(cut) => Some(cut),
            Ending::No | Ending::Now => None,
        };
        let turn = self.leases.next_due_ms().map(|ms| started + Duration::from_millis(ms));
        let forgotten = self.detached_due();
        deadline.into_iter().chain(cut).chain(turn).chain(forgotten).min()
    }

    pub(super) fn tick(&mut self) {
        self.drive(Event::Tick { now_ms: self.now_ms() });
        self.forget_detached();
        self.turn_cores();
        if matches!(self.ending, Ending::At(cut) if cut <= Instant::now()) {
            tracing::warn!("the time to drain is over; what is left is ended");
            self.cut();
        }
    }

    /// Ends everything, and all that was not read yet.
    fn cut(&mut self) {
        self.drive(Event::Cut);
        self.cut_off_readers();
    }

    pub(super) fn order(&mut self, order: Control) {
        match order {
            Control::Drain => self.begin_end(),
            Control::CancelNow => {
                self.begin_end();
                self.cut();
            }
            Control::Rescan => self.rescan(),
        }
    }

    /// Drains, and ends once that is done.
    pub(super) fn begin_end(&mut self) {
        if self.ending == Ending::No {
            let drain = Duration::from_millis(self.setup.config.drain_ms.into());
            self.ending = Ending::At(Instant::now() + drain);
            tracing::info!(drain_ms = self.setup.config.drain_ms, "ending");
        }
        self.drive(Event::Drain);
        self.retime.notify_one();
    }

    /// Reads core.toml and models/ again; a configuration that is wrong changes nothing.
    pub(super) fn rescan(&mut self) {
        let usual = self.setup.root.join("core.toml");
        let path = self.setup.config_path.clone().or_else(|| usual.exists().then_some(usual));
        match path.as_deref().map(config::load) {
            Some(Ok((config, _))) => self.setup.config = config,
            Some(Err(error)) => tracing::warn!(%error, "the configuration stays as it was"),
            None => {}
        }
        self.scheduler.set_limits(limits(&self.setup));
        self.contexts.resize(&self.setup.config.cache);
        self.scan();
        self.review_spares();
    }

    fn scan(&mut self) {
        let scanned = self.registry.scan(self.setup.models.as_fd(), &self.setup.config);
        if let Err(errno) = scanned {
            tracing::warn!(%errno, "models/ cannot be read; what was known stays");
        }
    }
}

/// Cores that this process may use; 1 where that cannot be told.
fn cores() -> u32 {
    thread::available_parallelism()
        .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

fn limits(setup: &Setup) -> Limits {
    let queue = setup.config.queue;
    let number = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
    Limits {
        waiting_max: number(queue.requests_max),
        per_session_max: number(queue.per_session_max),
        memory_bytes: pool::budget_bytes(&setup.config.memory),
        swap_drain_ms: setup.config.swap_drain_ms.into(),
    }
}
