//! From a model's file to a worker that serves it, and on to that worker's end.

use std::time::Duration;

use core_wire::{
    client::event::ModelState,
    code::{Code, Refusal},
    worker::{Purpose, config::Serve},
};

use tokio::sync::oneshot;

use super::{
    Core, Shared, content,
    fit::{self, Fitted},
    killed,
    launch::Plan,
    spare::Post,
    tend, variant,
    worker::Worker,
};
use crate::{
    memory::{gpu, pool::Grant},
    models::{
        files::{Content, Files},
        hash::Digest,
    },
    scheduler::{Event, LineId, WorkerId},
    workers::{cause::Cause, link::Role, recover::Ended},
};

/// How long a worker may take from its fork to READY, for a file of no size.
const LOAD_WITHIN: Duration = Duration::from_secs(120);

/// Bytes of a file that are read in a second at the least: a slow network file system. The time to
/// load grows by this.
const READ_BYTES_PER_S: u64 = 50 << 20;

/// A model that may be given to a worker.
struct Prepared {
    files: Files,
    digest: Digest,
    serve: Serve,
    grant: Grant,
    gpu: Option<gpu::Grant>,
}

/// Why nothing is loaded.
#[derive(Debug)]
pub(super) enum Failure {
    /// Something about the model; its files had this content.
    Model(Refusal, Content),
    /// Others have the memory: nothing is wrong with the model.
    NoRoom(Refusal),
}

impl Failure {
    pub(super) fn of(refusal: Refusal, content: Content) -> Self {
        Self::Model(refusal, content)
    }

    /// About a model without files.
    pub(super) fn of_nothing(refusal: Refusal) -> Self {
        Self::Model(refusal, Content::default())
    }

    /// What is told, and the content that it is about.
    pub(super) fn parts(self) -> (Refusal, Content) {
        match self {
            Self::Model(refusal, content) => (refusal, content),
            Self::NoRoom(refusal) => (refusal, Content::default()),
        }
    }
}

/// Loads a model and tends its worker to the end; the scheduler hears of both.
pub(super) async fn serve(core: Shared, line: LineId) {
    if !core.borrow().scheduler.loads_spare(&line) {
        core.borrow_mut().set_state(&line, ModelState::Loading);
    }
    killed::rest(&core, &line).await;
    let prepared = match prepare(&core, &line).await {
        Ok(prepared) => prepared,
        Err(failure) => return core.borrow_mut().load_failed(line, failure),
    };
    let Prepared { files, digest, serve, grant, gpu } = prepared;
    let content = files.content();
    let plan = Plan {
        role: Role::Serve { n_ctx: serve.n_ctx, slots: serve.slots },
        threads: serve.threads,
        purpose: Purpose::Serve(serve),
        line: Some(line.clone()),
        within: load_within(&content),
        files,
        grant,
        gpu,
    };
    let run = run(&core, plan, digest).await;
    let mut core = core.borrow_mut();
    match run {
        Ok((id, ended)) => core.serving_ended(id, line, content, &ended),
        Err(refusal) => core.load_failed(line, Failure::of(refusal, content)),
    }
}

/// Waits until the memory for a line's worker is set aside.
///
/// # Errors
/// `MEMORY`, with the numbers.
pub(super) async fn memory(
    core: &Shared,
    line: &LineId,
    grant: &Grant,
    vocabulary: u64,
) -> Result<(), Failure> {
    let (sender, answer) = oneshot::channel();
    {
        let mut core = core.borrow_mut();
        core.unsized_lines.insert(line.clone(), sender);
        let bytes = grant.total_bytes();
        core.drive(Event::Sized { line: line.clone(), bytes, vocabulary });
    }
    let gone = || Refusal::new(Code::Internal, "nobody answered for the memory of a worker");
    answer.await.unwrap_or_else(|_| Err(gone())).map_err(Failure::NoRoom)
}

/// How long a worker may take to load files of this size.
pub(super) fn load_within(content: &Content) -> Duration {
    LOAD_WITHIN + Duration::from_secs(content.size_bytes() / READ_BYTES_PER_S)
}

/// Starts a worker on files with this digest, and tends it to its end.
pub(super) async fn run(
    core: &Shared,
    plan: Plan,
    digest: Digest,
) -> Result<(WorkerId, Ended), Refusal> {
    let launched = core.borrow_mut().launch(plan)?;
    let id = launched.id;
    if let Some(worker) = core.borrow_mut().workers.get_mut(&id) {
        worker.digest = Some(digest);
    }
    Ok((id, tend::tend(core, launched).await))
}

async fn prepare(core: &Shared, line: &LineId) -> Result<Prepared, Failure> {
    let files = core.borrow().open(line)?;
    let about = |refusal| Failure::of(refusal, files.content());
    // What is not what was declared is not even looked at. Where nothing is declared, a look comes
    // first: a file that is no model is refused in a moment, however long reading it would take.
    let declared = core.borrow().is_declared(line);
    let mut digest = None;
    if declared {
        digest = Some(content::read(core, line, &files).await?);
    }
    let variant = variant::variant(core).await.map_err(about)?;
    let Fitted { serve, found, gpu } = fit::fit(core, line, &files, &variant).await?;
    core.borrow_mut().note_inspected(line, &found);
    core.borrow().check_context(line, &found).map_err(about)?;
    let digest = match digest {
        Some(digest) => digest,
        None => content::read(core, line, &files).await?,
    };
    let grant = core.borrow().grant_of(&found.needs, &serve);
    memory(core, line, &grant, found.facts.vocabulary).await?;
    Ok(Prepared { files, digest, serve, grant, gpu })
}

impl Core {
    /// Answers whoever waits for the memory of a line's worker.
    pub(super) fn grant(&mut self, line: &LineId, answer: Result<(), Refusal>) {
        if let Some(waiter) = self.unsized_lines.remove(line) {
            // One that is gone was ended together with the broker.
            let _ = waiter.send(answer);
        }
    }

    /// Notes what a model is doing; one that was swapped for another file no longer counts.
    pub(super) fn set_state(&mut self, line: &LineId, state: ModelState) {
        if let Some(entry) = self.registry.current_mut(line) {
            entry.state = state;
        }
    }

    fn load_failed(&mut self, line: LineId, failure: Failure) {
        let (state, (refusal, content)) = match failure {
            Failure::Model(refusal, content) => (ModelState::Failed, (refusal, content)),
            Failure::NoRoom(refusal) => (ModelState::Unloaded, (refusal, Content::default())),
        };
        if self.scheduler.began_as_spare(&line) {
            return self.spare_failed(line, refusal, content);
        }
        let model = &line.model;
        tracing::warn!(%model, code = refusal.code.name(), reason = refusal.message, "not loaded");
        let now_ms = self.now_ms();
        let attempts = self.registry.attempts_mut(&line);
        if let Some(attempts) = attempts.filter(|_| state == ModelState::Failed)
            && attempts.too_early(&content, now_ms).is_none()
        {
            attempts.failed(refusal.clone(), content, now_ms);
        }
        self.set_state(&line, state);
        self.drive(Event::LoadFailed { line: line.clone(), refusal });
        self.bring_back(line);
    }

    fn serving_ended(&mut self, id: WorkerId, line: LineId, content: Content, ended: &Ended) {
        let served = self.workers.get(&id).is_some_and(Worker::is_served);
        if !served {
            self.remove(id);
            if ended.cause() == Cause::Killed {
                return self.load_killed(&line);
            }
            if ended.cause() == Cause::Asked && self.scheduler.began_as_spare(&line) {
                // Its memory was needed: that is no failure to wait after.
                return self.drive(Event::LoadFailed { line, refusal: ended.while_loading() });
            }
            return self.load_failed(line, Failure::of(ended.while_loading(), content));
        }
        if self.workers.get(&id).is_some_and(|worker| worker.post == Post::Spare) {
            return self.spare_ended(id, &line, &content, ended);
        }
        let verdict = ended.verdict.as_ref().map(ToString::to_string);
        let (model, refusal) = (&line.model, ended.while_serving());
        match ended.cause() {
            Cause::Asked => tracing::info!(%model, "worker gone: it {}", ended.death),
            _ => {
                let code = refusal.code.name();
                tracing::warn!(%model, code, verdict, "worker lost: it {}", ended.death);
            }
        }
        self.set_state(&line, ModelState::Unloaded);
        self.keep_what_it_said(id);
        let loss = self.judge(id, &content, ended);
        let entry = self.registry.entry(&line.model);
        let too_early = entry.is_some_and(|entry| entry.attempts.left_ms(self.now_ms()) > 0);
        if too_early || matches!(ended.cause(), Cause::Changed | Cause::Bus) {
            // A spare stands on the same pages: what comes next reads the file and hashes it. And a
            // model that has failed is not served by another way.
            self.drive(Event::SpareUnwanted(line.clone()));
        }
        self.remove(id);
        self.drive(Event::Gone { worker: id, refusal, loss });
        if ended.cause() != Cause::Asked {
            self.bring_back(line);
        }
    }
}
