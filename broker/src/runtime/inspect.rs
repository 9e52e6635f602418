//! What a model is and takes, before it is loaded: a throwaway worker reads what its files say of
//! themselves, locked down like one that serves.
//!
//! Every load is preceded by an inspection, so that a file that is no model fails before any memory
//! is set aside for it. `models` has those inspected that never were. What an inspector said is
//! remembered for the content of the files and for what it was asked.

use std::{collections::VecDeque, rc::Rc, time::Duration};

use core_wire::{
    client::event::ModelState,
    code::{Code, Refusal},
    worker::{Inspected, Needs, Purpose, config::Serve},
};

use tokio::sync::Semaphore;

use super::{Core, Shared, killed::killed, launch::Plan, survey::Survey, tend};
use crate::{
    memory::{gpu::Moment, pool::Grant},
    models::files::{Content, Files},
    scheduler::{KILLED_LOADS_MAX, LineId},
    workers::{cause::Cause, link::Role, recover::Ended},
};

/// How long an inspector may take: it reads some megabytes of metadata, from a slow network file
/// system at worst.
const INSPECT_WITHIN: Duration = Duration::from_secs(30);

/// Inspections that are remembered; more models than one host serves. The oldest goes first.
const KNOWN_MAX: usize = 1024;

/// Inspectors at once: each may take a gigabyte that no budget knows of. Two, so that a file that
/// takes its time does not hold up all others.
const AT_ONCE: usize = 2;

/// What inspectors said, and who waits for them.
#[derive(Debug)]
pub(super) struct Inspections {
    known: VecDeque<Known>,
    /// Turns of inspectors.
    at_once: Rc<Semaphore>,
    /// Those that `models` asks for.
    pub(super) survey: Survey,
}

#[derive(Debug)]
pub(super) struct Known {
    content: Content,
    asked: Serve,
    /// Whether the content could not have changed unseen since.
    settled: bool,
    found: Rc<Inspected>,
    /// When the inspector was started: what GPUs it saw free is as of then.
    since: Moment,
}

/// What an inspector said, and when it was started.
pub(super) type Found = (Rc<Inspected>, Moment);

impl Default for Inspections {
    fn default() -> Self {
        let at_once = Rc::new(Semaphore::new(AT_ONCE));
        Self { known: VecDeque::new(), at_once, survey: Survey::default() }
    }
}

impl Inspections {
    pub(super) fn find(&self, content: &Content, asked: &Serve) -> Option<&Known> {
        self.known.iter().find(|known| known.content == *content && known.asked == *asked)
    }

    /// What is still true of the content, whoever wrote to it since.
    fn settled(&self, content: &Content, asked: &Serve) -> Option<Found> {
        let known = self.find(content, asked).filter(|known| known.settled);
        known.map(|known| (known.found.clone(), known.since))
    }

    fn remember(&mut self, new: Known) {
        self.known.retain(|known| known.content != new.content || known.asked != new.asked);
        if self.known.len() >= KNOWN_MAX {
            self.known.pop_front();
        }
        self.known.push_back(new);
    }

    /// What a worker for this content takes, as it was last asked.
    pub(super) fn needs(&self, content: &Content) -> Option<Needs> {
        let known = self.known.iter().rev().find(|known| known.content == *content);
        known.map(|known| known.found.needs)
    }
}

/// What a model in open files is and takes.
///
/// # Errors
/// Those of a worker that does not become ready: the files are none of a model.
pub(super) async fn inspect(core: &Shared, files: &Files, serve: &Serve) -> Result<Found, Refusal> {
    let (content, asked) = (files.content(), asked(serve));
    if let Some(found) = core.borrow().inspections.settled(&content, &asked) {
        return Ok(found);
    }
    let settled = content.is_settled();
    let since = core.borrow().gpus.moment();
    let found = Rc::new(look(core, files, asked.clone()).await?);
    let known = Known { content, asked, settled, found: found.clone(), since };
    core.borrow_mut().inspections.remember(known);
    Ok((found, since))
}

/// What of a plan decides the answer.
pub(super) fn asked(serve: &Serve) -> Serve {
    Serve { step_ms_max: 0, idle_cells_max: 0, ..serve.clone() }
}

/// Asks an inspector, and another one where that was killed from elsewhere.
async fn look(core: &Shared, files: &Files, serve: Serve) -> Result<Inspected, Refusal> {
    for _ in 0..=KILLED_LOADS_MAX {
        match ask(core, files, serve.clone()).await? {
            Ok(found) => return Ok(found),
            Err(ended) if ended.cause() == Cause::Killed => {}
            Err(ended) => return Err(ended.while_loading()),
        }
    }
    Err(killed())
}

/// Asks one inspector; how it ended, where it said nothing.
async fn ask(
    core: &Shared,
    files: &Files,
    serve: Serve,
) -> Result<Result<Inspected, Ended>, Refusal> {
    let files = files.try_clone().map_err(|error| {
        Refusal::new(Code::Internal, format!("the model's file cannot be handed on: {error}"))
    })?;
    let plan = Plan {
        role: Role::Inspect { n_ctx: serve.n_ctx, slots: serve.slots },
        purpose: Purpose::Inspect(serve),
        line: None,
        files,
        grant: Grant::of_inspector(),
        gpu: None,
        threads: 1,
        within: INSPECT_WITHIN,
    };
    let inspectors = core.borrow().inspections.at_once.clone();
    // It is never closed, so whoever waits here gets its turn.
    let _turn = inspectors.acquire().await;
    let launched = core.borrow_mut().launch(plan)?;
    let id = launched.id;
    let ended = tend::tend(core, launched).await;
    let found = core.borrow_mut().remove(id).and_then(|worker| worker.inspected);
    Ok(found.map(|found| *found).ok_or(ended))
}

impl Core {
    /// Notes what an inspector said of a model, unless its own worker has said more.
    pub(super) fn note_inspected(&mut self, line: &LineId, found: &Inspected) {
        self.devices.clone_from(&found.devices);
        if let Some(entry) = self.registry.current_mut(line) {
            entry.needs = found.needs;
            if entry.state != ModelState::Ready {
                entry.facts = found.facts.clone();
            }
        }
    }
}
