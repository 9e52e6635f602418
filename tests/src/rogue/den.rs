//! The real broker with the rogue worker in the place of the shipped one.

use std::{
    fs,
    time::{Duration, Instant},
};

use core_wire::client::{Event, Prompt, Request};

use super::{
    Door, End, Lie, Raw, Stream,
    judge::{count, judge},
    lie::TOKENS,
    raw,
};
use crate::harness::{Broker, Install, Setup, install, processes};

/// One thread for each worker, so that a liar and the stream beside it both compute.
/// Silence is found three times over before its request is given up.
const CONFIG: &str = "watchdog_ms = 4000\n[defaults]\nthreads = 1\nslots = 4\nn_ctx = 1048576\n";
/// How soon descriptors, workers and memory are back.
const BACK_MAX: Duration = Duration::from_secs(10);
/// Memory that a broker may keep: caches of its allocator, and what it remembers of each model.
const RSS_SLACK_KIB: u64 = 6 << 10;
/// How long a stream is looked at beside an attack, at least.
const ATTACK_MIN: Duration = Duration::from_secs(1);
/// How soon the second of two requests follows.
const SECOND_AFTER: Duration = Duration::from_millis(300);

/// A broker whose workers lie as their files ask.
pub struct Den {
    /// The broker.
    pub broker: Broker,
    /// Its door.
    pub door: Door,
}

/// What a broker holds.
#[derive(Clone, Copy, Debug)]
pub struct Footprint {
    /// Open descriptors.
    pub descriptors: usize,
    /// Worker processes.
    pub workers: usize,
    /// Resident memory.
    pub rss_kib: u64,
}

impl Den {
    /// Starts one, with the honest model.
    ///
    /// # Errors
    /// `rogue-worker` was not built, or the broker does not start.
    pub fn new() -> Setup<Self> {
        let install = Install::new()?;
        let built = install::release_dir()?.join("rogue-worker");
        fs::copy(&built, install.program("core-worker"))
            .map_err(|error| format!("{}: {error}", built.display()))?;
        fs::write(install.root().join("core.toml"), CONFIG)?;
        fs::write(install.model(&Lie::Honest.name()), Lie::Honest.file(0))?;
        let broker = Broker::start(install, &[])?;
        let door = Door::of(&broker)?;
        Ok(Self { broker, door })
    }

    /// A stream of the honest worker.
    ///
    /// # Errors
    /// It does not start.
    pub fn stream(&self) -> Setup<Stream> {
        Stream::start(&self.door, &Lie::Honest.name())
    }

    /// Adds a model whose worker lies so; answers its id.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add(&self, lie: Lie, seed: u64) -> Setup<String> {
        let id = format!("{}-{seed}", lie.name());
        fs::write(self.broker.install.model(&id), lie.file(seed))?;
        Ok(id)
    }

    /// Asks a liar for tokens, and checks how it ends: once, typed, and as it must.
    ///
    /// # Errors
    /// Otherwise.
    pub fn meet(&self, lie: Lie, seed: u64) -> Setup<()> {
        let model = self.add(lie, seed)?;
        let met = self.ask(lie, &model).map_err(|error| format!("{}: {error}", lie.name()));
        fs::remove_file(self.broker.install.model(&model))?;
        Ok(met?)
    }

    fn ask(&self, lie: Lie, model: &str) -> Setup<()> {
        let mut raw = self.door.enter()?;
        raw.ask("liar", request(lie, model))?;
        let mut second = self.second(lie, model)?;
        let events = raw.hear_all("liar")?;
        judge(lie, &events)?;
        if let Some(second) = &mut second {
            judge(lie, &second.hear_all("second")?)?;
        }
        // Who harmed nobody is still there; whoever did must be gone by itself.
        let harmless = matches!(lie.end(), End::Done | End::Typed);
        if let (true, Some(Event::Done(_))) = (harmless, events.last()) {
            raw.ask("unload", Request::Unload { model: model.into() })?;
            raw.hear_all("unload")?;
        }
        Ok(())
    }

    /// Kills an honest worker so long after its first token; its stream goes on with the next one,
    /// without a token that is missing or comes twice.
    ///
    /// # Errors
    /// It ends otherwise.
    pub fn kill(&self, round: u64, wait: Duration) -> Setup<()> {
        let model = self.add(Lie::Honest, round + 1)?;
        let mut raw = self.door.enter()?;
        raw.ask("killed", Request::Generate(Box::new(raw::generate(&model, u16::MAX.into()))))?;
        let mut told = 0;
        while told == 0 {
            count(&mut told, &raw.hear()?.event)?;
        }
        let worker = self.broker.worker(&model).ok_or("a stream without a worker")?;
        std::thread::sleep(wait);
        let pid = nix::unistd::Pid::from_raw(worker.cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL)?;
        let mut resumed = None;
        while resumed.is_none_or(|resumed| told < resumed + TOKENS) {
            resumed = count(&mut told, &raw.hear()?.event)?.or(resumed);
        }
        raw.cancel("killed")?;
        raw.ask("unload", Request::Unload { model: model.clone() })?;
        raw.hear_all("unload")?;
        Ok(fs::remove_file(self.broker.install.model(&model))?)
    }

    /// What a worker claims to have read is looked at when it gets more.
    fn second(&self, lie: Lie, model: &str) -> Setup<Option<Raw>> {
        if !matches!(lie, Lie::HeadBeyond | Lie::HeadBackwards | Lie::HeadOdd) {
            return Ok(None);
        }
        let loaded = || self.broker.worker(model);
        processes::wait_for(BACK_MAX, loaded).ok_or("it does not load")?;
        std::thread::sleep(SECOND_AFTER);
        let mut raw = self.door.enter()?;
        raw.ask("second", request(lie, model))?;
        Ok(Some(raw))
    }

    /// Runs an attack beside a stream, perhaps several times, and looks whether anything stays
    /// behind.
    ///
    /// # Errors
    /// The attack fails, something stays, or the stream beside was slowed down each time.
    pub fn beside(&self, attack: impl Fn() -> Setup<()>) -> Setup<()> {
        let stream = self.stream()?;
        let before = Footprint::of(&self.broker)?;
        stream.undisturbed_by(|| {
            let from = Instant::now();
            // Ends: each attack takes time. In less than a second few tokens are due.
            while from.elapsed() < ATTACK_MIN {
                attack()?;
            }
            Ok(())
        })?;
        before.settle(&self.broker)
    }
}

impl Footprint {
    /// Looks at a broker.
    ///
    /// # Errors
    /// It has ended.
    pub fn of(broker: &Broker) -> Setup<Self> {
        let rss = processes::status_field(broker.pid(), "VmRSS").ok_or("the broker has ended")?;
        Ok(Self {
            descriptors: processes::descriptors(broker.pid()).len(),
            workers: broker.workers().len(),
            rss_kib: rss.trim_end_matches(" kB").parse()?,
        })
    }

    /// Waits until a broker holds no more than this, but for what its allocator keeps.
    ///
    /// # Errors
    /// It does, for ten seconds.
    pub fn settle(&self, broker: &Broker) -> Setup<()> {
        let back = || {
            let now = Self::of(broker).ok()?;
            let back = now.descriptors <= self.descriptors
                && now.workers <= self.workers
                && now.rss_kib <= self.rss_kib + RSS_SLACK_KIB;
            back.then_some(())
        };
        let settled = processes::wait_for(BACK_MAX, back);
        let now = Self::of(broker)?;
        settled.ok_or_else(|| format!("the broker holds {now:?}, before {self:?}").into())
    }
}

fn request(lie: Lie, model: &str) -> Request {
    if lie == Lie::ChunkOrder {
        let input = Prompt::Text("Once".into());
        return Request::Embed { model: model.into(), input };
    }
    let mut generate = raw::generate(model, lie.tokens());
    if lie == Lie::Beats {
        generate.params.deadline_ms = Some(1500);
    }
    Request::Generate(Box::new(generate))
}
