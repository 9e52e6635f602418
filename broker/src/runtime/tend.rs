//! The task of one worker: its records, its time, its end.

use std::{process::ExitStatus, rc::Rc, time::Duration};

use core_ring::{Budget, TokenReceiver};
use nix::libc;
use tokio::{
    process::Child,
    sync::Notify,
    task::{JoinHandle, yield_now},
    time::{Instant, sleep, timeout},
};

use super::{
    Core, Shared,
    launch::Launched,
    wait_until,
    worker::{Stage, Worker},
};
use crate::{
    scheduler::{Event, WorkerId},
    workers::{
        link::Breach,
        recover::{Ended, Verdict},
        watch::{Death, LastWords, Said},
    },
};

/// How long the rest of a log is waited for: it lies in a pipe, unless the worker wrote more than
/// is read in a second.
const LOG_WITHIN: Duration = Duration::from_millis(100);

/// Serves a worker's rings until its process has ended. What it had published by then is heard,
/// unless it was condemned.
pub(super) async fn tend(core: &Shared, launched: Launched) -> Ended {
    let Launched { id, mut child, mut tokens, log } = launched;
    let nudge = core.borrow().workers.get(&id).map(|worker| worker.nudge.clone());
    let nudge = nudge.unwrap_or_default();
    let exited = attend(core, id, &mut child, &mut tokens, &nudge).await;
    core.borrow_mut().bury(id);
    let status = match exited {
        Some(status) => status,
        None => kill(&mut child).await,
    };
    if !core.borrow().is_condemned(id) {
        // To the last whole record: a token that was published was said.
        let mut core = core.borrow_mut();
        let drained = tokens.drain_dead(|kind, payload| core.hear(id, kind, payload));
        if let Err(violation) = drained {
            core.condemn(id, Verdict::Breach(violation.into()));
        }
    }
    let death = status.map_or(Death::Exit(-1), Death::from);
    let said = last_words(log, death).await;
    let short = death == Death::Signal(libc::SIGKILL) && core.borrow_mut().ran_out_of_memory(id);
    let death = death.explained(&said, short);
    let verdict = core.borrow_mut().verdict(id, death);
    let ended = Ended { verdict, death, said };
    core.borrow_mut().note_death(id, &ended);
    ended
}

/// What a worker said of its end; only one that gave up by itself has something to say. Its log
/// ends with its process, so it is read by now, or nearly.
async fn last_words((log, last): (JoinHandle<()>, LastWords), death: Death) -> Said {
    if death != Death::Signal(libc::SIGABRT) {
        return Said::default();
    }
    // Whether in time or not: what was read by then is there.
    drop(timeout(LOG_WITHIN, log).await);
    last.said()
}

/// Until the process ends, with its status, or until it is condemned, with nothing.
async fn attend(
    core: &Shared,
    id: WorkerId,
    child: &mut Child,
    tokens: &mut TokenReceiver,
    nudge: &Rc<Notify>,
) -> Option<Option<ExitStatus>> {
    while !core.borrow().is_condemned(id) {
        let due = core.borrow().due(id);
        tokio::select! {
            biased;
            readable = tokens.readable() => match readable {
                Ok(()) => drain(core, id, tokens).await,
                Err(error) => core.borrow_mut().deaf(id, &error),
            },
            status = child.wait() => return Some(status.ok()),
            () = nudge.notified() => core.borrow_mut().nudged(id, tokens.heartbeat()),
            () = wait_until(due) => core.borrow_mut().check_time(id, tokens.heartbeat()),
        }
    }
    None
}

/// Hears what was published, in portions, so that nobody else waits long.
async fn drain(core: &Shared, id: WorkerId, tokens: &mut TokenReceiver) {
    // Ends with the ring: whoever fills it faster than it is read is paused by its pace.
    loop {
        let drained = {
            let mut core = core.borrow_mut();
            tokens.drain(Budget::POLL, |kind, payload| core.hear(id, kind, payload))
        };
        let drained = match drained {
            Ok(drained) => drained,
            Err(violation) => {
                return core.borrow_mut().condemn(id, Verdict::Breach(violation.into()));
            }
        };
        core.borrow_mut().after_drain(id, tokens.heartbeat());
        if core.borrow().is_condemned(id) {
            return tokens.poison();
        }
        match drained.pause {
            Some(pause) => sleep(pause).await,
            // Others have their turn even when this ring is never empty.
            None => yield_now().await,
        }
        if drained.pause.is_none() && !drained.more {
            return;
        }
    }
}

/// SIGKILL, then the status: the process was not waited for, so its id is still its own.
async fn kill(child: &mut Child) -> Option<ExitStatus> {
    if let Err(error) = child.start_kill() {
        tracing::warn!(%error, "a worker could not be killed");
    }
    child.wait().await.ok()
}

impl Core {
    fn is_condemned(&self, id: WorkerId) -> bool {
        self.workers.get(&id).is_none_or(|worker| worker.verdict.is_some())
    }

    fn condemn(&mut self, id: WorkerId, verdict: Verdict) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.condemn(verdict);
        }
    }

    fn due(&self, id: WorkerId) -> Option<Instant> {
        self.workers.get(&id)?.due()
    }

    /// It was given something: from its heartbeat of now on it has to show signs of life.
    fn nudged(&mut self, id: WorkerId, heartbeat: u64) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.heartbeat = heartbeat;
        }
    }

    fn check_time(&mut self, id: WorkerId, heartbeat: u64) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.check_time(heartbeat);
        }
        self.dismiss_unused(id);
    }

    /// The bell is gone or cannot be polled: a worker that nobody hears is of no use.
    fn deaf(&mut self, id: WorkerId, error: &std::io::Error) {
        tracing::warn!(%error, "a worker's bell cannot be heard");
        self.condemn(id, Verdict::Breach(Breach::Encode));
    }

    /// Keeps new jobs from a worker that ends. One that was asked to had no other reason.
    fn bury(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&id) {
            if matches!(worker.stage, Stage::Stopping { .. }) {
                worker.verdict.get_or_insert(Verdict::Dismissed);
            }
            worker.stage = Stage::Gone;
        }
        self.drive(Event::Dying(id));
    }

    /// Whether the kernel ended somebody for lack of memory when a worker was killed, not by us,
    /// and nobody else whose death that explains.
    fn ran_out_of_memory(&mut self, id: WorkerId) -> bool {
        let killed = self.workers.get(&id).filter(|worker| worker.verdict.is_none());
        let kill = killed.and_then(|worker| worker.oom_kills.explains(self.oom_explained));
        self.oom_explained = kill.unwrap_or(self.oom_explained);
        kill.is_some()
    }

    /// Why the worker had to end.
    fn verdict(&mut self, id: WorkerId, death: Death) -> Option<Verdict> {
        let worker = self.workers.get_mut(&id)?;
        let verdict = worker.verdict.take();
        worker.lost_its_files(verdict.as_ref(), death).or(verdict)
    }

    /// Asks every worker to end; those that are not ready yet are killed.
    pub(super) fn stop_all(&mut self) {
        for worker in self.workers.values_mut() {
            match worker.stage {
                Stage::Serving => worker.stop(),
                Stage::Loading { .. } => worker.dismiss(),
                Stage::Stopping { .. } | Stage::Gone => {}
            }
        }
    }

    pub(super) fn kill_all(&mut self) {
        self.workers.values_mut().for_each(Worker::dismiss);
    }
}
