//! Plays the broker: makes the rings, starts the real worker, and speaks the real protocol.

mod answer;
mod errand;
mod life;
pub(crate) mod made;
mod plan;
mod spawn;

use std::{
    collections::VecDeque,
    fs,
    io::PipeReader,
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use core_ring::{BrokerEnd, Budget, Layout};
use core_wire::{
    client::{Priority, Prompt},
    ids::JobId,
    untrusted::Untrusted,
    worker::{
        Failed, JobKind, KIND_MAX, Locked, Payload, Purpose, Ready, Refused, Sampling, ToBroker,
        ToWorker, WorkerConfig, config::Serve,
    },
};

pub(crate) use self::{
    answer::{Answer, note},
    errand::Errand,
    plan::{engine, greedy, model, serve, shipped, variants},
};

/// Longest wait for any record: a loaded machine with two cores and many tests at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks into the ring.
const LOOK_PAUSE: Duration = Duration::from_micros(200);

/// The threads of every worker that the tests start.
pub(crate) const THREADS: u32 = 2;

/// A worker process and the broker's end of its rings.
pub(crate) struct Worker {
    pub(crate) child: Child,
    end: BrokerEnd,
    log: PipeReader,
    heard: VecDeque<ToBroker>,
    next_job: u64,
}

impl Worker {
    /// Starts a worker for `purpose` with `files` from descriptor 8 up.
    pub(crate) fn start(purpose: Purpose, files: &[&Path]) -> Self {
        let extra = files.iter().map(|path| fs::File::open(path).unwrap().into());
        Self::start_with(purpose, 8, extra.collect())
    }

    /// Starts a worker with `extra` from descriptor `first` up.
    pub(crate) fn start_with(purpose: Purpose, first: i32, extra: Vec<OwnedFd>) -> Self {
        let layout = Layout::new(KIND_MAX);
        let (mut end, fds) = core_ring::create(&layout).unwrap();
        let config = ToWorker::Config(WorkerConfig {
            purpose,
            broker_pid: std::process::id(),
            canaries: vec!["/etc/passwd".into(), "/nowhere".into()],
        });
        let (kind, payload) = config.encode().unwrap();
        end.jobs.push(kind, &payload).unwrap();
        end.jobs.publish();
        let (log, log_writer) = std::io::pipe().unwrap();
        let fixed = [(fds.bell, 3), (fds.b, 4), (fds.w, 5)];
        let table = fixed.into_iter().chain(extra.into_iter().zip(first..));
        let mut command = Command::new(env!("CARGO_BIN_EXE_core-worker"));
        command
            .env_clear()
            .envs(core_policy::env::worker_env(THREADS))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log_writer);
        spawn::lay_out(&mut command, table.collect());
        let child = command.spawn().unwrap();
        Self { child, end, log, heard: VecDeque::new(), next_job: 1 }
    }

    /// Starts a worker on `model` and brings it to READY.
    pub(crate) fn ready(model: &Path, change: impl FnOnce(&mut Serve)) -> (Self, Ready) {
        let mut worker = Self::start(serve(change), &[model]);
        worker.locked();
        worker.tell(&ToWorker::Go);
        let ready = worker.until_ready();
        worker.tell(&ToWorker::Run);
        (worker, ready)
    }

    /// Waits for LOCKED.
    pub(crate) fn locked(&mut self) -> Locked {
        match self.hear() {
            ToBroker::Locked(locked) => locked,
            other => panic!("LOCKED was due, not {other:?}\n{}", self.obituary()),
        }
    }

    /// Waits for READY and lets progress pass.
    pub(crate) fn until_ready(&mut self) -> Ready {
        loop {
            match self.hear() {
                ToBroker::Progress(_) => {}
                ToBroker::Ready(ready) => return ready,
                other => panic!("READY was due, not {other:?}"),
            }
        }
    }

    /// Waits for FAILED and lets everything before it pass.
    pub(crate) fn until_failed(&mut self) -> Failed {
        loop {
            match self.hear() {
                ToBroker::Progress(_) => {}
                ToBroker::Locked(_) => self.tell(&ToWorker::Go),
                ToBroker::Failed(failed) => return failed,
                other => panic!("FAILED was due, not {other:?}"),
            }
        }
    }

    /// Writes one record.
    pub(crate) fn tell(&mut self, record: &ToWorker) {
        let (kind, payload) = record.encode().unwrap();
        let began = Instant::now();
        while self.end.jobs.push(kind, &payload).is_err() {
            assert!(began.elapsed() < PATIENCE, "ring B stays full");
            self.look();
            sleep(LOOK_PAUSE);
        }
        self.end.jobs.publish();
    }

    /// The next record of the worker.
    pub(crate) fn hear(&mut self) -> ToBroker {
        let began = Instant::now();
        loop {
            self.look();
            if let Some(record) = self.heard.pop_front() {
                return record;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                self.look();
                if self.heard.is_empty() {
                    panic!("the worker ended: {status}\n{}", self.obituary());
                }
            }
            assert!(began.elapsed() < PATIENCE, "the worker says nothing");
            sleep(LOOK_PAUSE);
        }
    }

    /// Sends a whole job.
    pub(crate) fn send(&mut self, kind: JobKind, prompt: &Prompt) -> JobId {
        let payload = Payload { prompt: prompt.clone(), emitted: Vec::new() };
        self.send_as(Priority::Normal, None, kind, &payload)
    }

    /// Sends a whole job of a class, which may use the cells of another.
    pub(crate) fn send_as(
        &mut self,
        class: Priority,
        reuse: Option<JobId>,
        kind: JobKind,
        payload: &Payload,
    ) -> JobId {
        self.submit(Errand { class, reuse, ..Errand::of(kind, payload) })
    }

    /// Sends a text to be continued.
    pub(crate) fn generate(&mut self, text: &str, sampling: Sampling) -> JobId {
        self.send(JobKind::Generate(Box::new(sampling)), &Prompt::Text(text.into()))
    }

    /// Continues a text and waits for the end.
    pub(crate) fn complete(&mut self, text: &str, sampling: Sampling) -> Answer {
        let job = self.generate(text, sampling);
        self.answers(&[job]).remove(0)
    }

    /// Waits until all of `jobs` are over; checks the order of what comes.
    pub(crate) fn answers(&mut self, jobs: &[JobId]) -> Vec<Answer> {
        let mut answers: Vec<Answer> = jobs.iter().map(|_| Answer::default()).collect();
        while !answers.iter().all(Answer::is_over) {
            let record = self.hear();
            answer::note(&mut answers, jobs, record);
        }
        answers
    }

    /// Sends a job that is answered in chunks, and puts them together.
    pub(crate) fn chunks(&mut self, kind: JobKind, prompt: &Prompt) -> Result<Vec<u8>, Refused> {
        let job = self.send(kind, prompt);
        self.answer_of(job)
    }

    /// Puts the chunks of a job together.
    pub(crate) fn answer_of(&mut self, job: JobId) -> Result<Vec<u8>, Refused> {
        let mut bytes = Vec::new();
        loop {
            match self.hear() {
                ToBroker::Chunk(chunk) => {
                    assert_eq!((chunk.job, chunk.offset as usize), (job, bytes.len()));
                    bytes.extend_from_slice(&chunk.bytes);
                    if chunk.last {
                        return Ok(bytes);
                    }
                }
                ToBroker::Refused(refused) => return Err(refused),
                other => panic!("a chunk was due, not {other:?}"),
            }
        }
    }

    fn look(&mut self) {
        let heard = &mut self.heard;
        let drained = self.end.tokens.drain(Budget::POLL, |kind, payload| {
            heard.push_back(ToBroker::read(kind, Untrusted::new(payload)).unwrap());
        });
        if let Some(pause) = drained.unwrap().pause {
            sleep(pause);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended long ago, and then both have nothing to do.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}
