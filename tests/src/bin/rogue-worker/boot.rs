//! From exec to READY, as the shipped worker does it, and with the lies that belong there.

use std::{fs::File, os::fd::OwnedFd, os::unix::fs::FileExt, path::Path, time::Duration};

use core_policy::{
    apply,
    fds::Inherited,
    landlock::{self, CanaryPaths, WorkerCanaries},
    profile::Profile,
    report::Row,
    seccomp::{self, Stage},
};
use core_ring::{Forged, Layout};
use core_tests::rogue::Lie;
use core_wire::worker::{
    Claim, KIND_MAX, Locked, Needs, Purpose, Ready, ToBroker, ToWorker, WorkerConfig, config::Serve,
};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::{Fallible, deeds::Scribbler, honest, link::Link, records};

/// How long CONFIG and GO are waited for.
const WAIT: Duration = Duration::from_secs(30);
/// Bytes of a file that are read for its lie.
const FILE_BYTES_MAX: usize = 64;
/// Bells that the eventfd takes before it blocks who cleared O_NONBLOCK: a few tokens' worth.
const BELLS_LEFT: u64 = 4;

/// What the process is once it knows what it is for.
pub(crate) struct Rogue {
    pub(crate) link: Link,
    pub(crate) lie: Lie,
    pub(crate) seed: u64,
    pub(crate) scribbler: Option<Scribbler>,
}

/// Boots, and serves as its file asks.
pub(crate) fn run() -> Fallible<()> {
    apply::default_signals()?;
    let inherited = Inherited::take()?;
    let (lie, seed) = read_lie(&inherited.models)?;
    let models = inherited.models;
    if lie == Lie::BellFull {
        fcntl(&inherited.bell, FcntlArg::F_SETFL(OFlag::empty()))?;
        nix::unistd::write(&inherited.bell, &(u64::MAX - 1 - BELLS_LEFT).to_ne_bytes())?;
    }
    let layout = Layout::new(KIND_MAX);
    let end = core_ring::attach(inherited.ring_b, inherited.ring_w, inherited.bell, &layout)?;
    let mut link = Link::new(end);
    let ToWorker::Config(config) = link.hear_one(WAIT)? else {
        return Err("no CONFIG".into());
    };
    let mut rogue = Rogue { link, lie, seed, scribbler: None };
    match &config.purpose {
        Purpose::Choose { variants } => {
            confine(&config, folder(variants.first().map_or("/", String::as_str)), &[])?;
            filter()?;
            rogue.link.say(&ToBroker::Variant(0))
        }
        Purpose::Serve(plan) => rogue.serve(&config, plan, models),
        Purpose::Inspect(plan) => {
            // Only honest here: what a serving worker says is what the lies are about.
            rogue.lie = Lie::Honest;
            rogue.lock(&config, plan, &models)?;
            filter()?;
            rogue.link.say(&ToBroker::Inspected(records::inspected(plan, Needs::default())))
        }
    }
}

fn read_lie(models: &[OwnedFd]) -> Fallible<(Lie, u64)> {
    let Some(model) = models.first() else {
        return Ok((Lie::Honest, 0));
    };
    let mut bytes = [0; FILE_BYTES_MAX];
    let length = File::from(model.try_clone()?).read_at(&mut bytes, 0)?;
    Ok(Lie::of_file(&bytes[..length]).ok_or("a file without a lie")?)
}

fn folder(library: &str) -> &Path {
    Path::new(library).parent().unwrap_or(Path::new("/"))
}

/// Everything but the filters.
fn confine(config: &WorkerConfig, libraries: &Path, models: &[OwnedFd]) -> Fallible<Vec<Row>> {
    let mut rows = apply::before_libraries(config.broker_pid.cast_signed(), Profile::Cpu)?;
    let models: Vec<_> = models.iter().map(std::os::fd::AsFd::as_fd).collect();
    let canaries = WorkerCanaries::arm(CanaryPaths { libraries }, models.first().copied());
    rows.extend(landlock::confine_worker(&models, Profile::Cpu)?);
    rows.extend(canaries.check()?);
    Ok(rows)
}

fn filter() -> Fallible<Vec<Row>> {
    Ok(vec![apply::hide()?, seccomp::install(Stage::Load)?])
}

fn claims(rows: &[Row]) -> Vec<Claim> {
    rows.iter().map(|row| Claim(row.code())).collect()
}

impl Rogue {
    fn serve(&mut self, config: &WorkerConfig, plan: &Serve, models: Vec<OwnedFd>) -> Fallible<()> {
        self.lock(config, plan, &models)?;
        if self.lie == Lie::Scribbles {
            // Before LOAD, which lets the engine's threads start and none of Rust's.
            self.scribbler = Some(Scribbler::start(self.link.forger.clone(), self.seed));
        }
        let rows = match self.lie {
            Lie::Visible => vec![seccomp::install(Stage::Load)?],
            Lie::Unlocked => Vec::new(),
            _ => filter()?,
        };
        self.load(plan)?;
        drop(models);
        let mut claimed = claims(&rows);
        if !matches!(self.lie, Lie::Unfiltered | Lie::Unlocked) {
            claimed.extend(claims(&[seccomp::install(Stage::Serve)?]));
        }
        let ready = self.ready(plan, claimed);
        self.link.say(&ready)?;
        honest::serve(self)
    }

    /// LOCKED and GO.
    fn lock(&mut self, config: &WorkerConfig, plan: &Serve, models: &[OwnedFd]) -> Fallible<()> {
        let rows = match self.lie {
            Lie::Unlocked => Vec::new(),
            _ => confine(config, folder(&plan.variant), models)?,
        };
        let mut claims = claims(&rows);
        let mut extra = None;
        match self.lie {
            Lie::ExtraDescriptor => extra = Some(models.first().ok_or("none")?.try_clone()?),
            Lie::ExtraThread => drop(std::thread::spawn(|| std::thread::sleep(WAIT))),
            Lie::ManyClaims => claims.resize(100, Claim(0)),
            Lie::ReadyFirst => {
                let ready = self.ready(plan, Vec::new());
                self.link.say(&ready)?;
            }
            _ => {}
        }
        self.link.say(&ToBroker::Locked(Locked { claims }))?;
        let said = self.link.hear_one(WAIT)?;
        drop(extra);
        if said == ToWorker::Go { Ok(()) } else { Err("no GO".into()) }
    }

    /// What a model's load looks like from outside.
    fn load(&mut self, _plan: &Serve) -> Fallible<()> {
        self.link.say(&ToBroker::Progress(0.5))?;
        match self.lie {
            Lie::ProgressBeyond => self.link.say(&ToBroker::Progress(1.5)),
            Lie::ProgressNan => self.link.say(&ToBroker::Progress(f32::NAN)),
            Lie::DiesLoading => apply::leave(3),
            // A wake word of its own that says the opposite of what it does.
            Lie::WakeWords => {
                self.link.forger.set(Forged::SpaceWake, 0);
                self.link.forger.set(Forged::DataWake, 8);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn ready(&self, plan: &Serve, claims: Vec<Claim>) -> ToBroker {
        let mut facts = records::facts(plan);
        match self.lie {
            Lie::HugeVocabulary => facts.n_vocab = u32::MAX,
            Lie::NoVocabulary => facts.n_vocab = 0,
            Lie::MoreContext => facts.n_ctx += 1,
            Lie::MoreSlots => facts.slots += 1,
            Lie::ControlText => facts.architecture = "\u{1b}[2J".into(),
            _ => {}
        }
        ToBroker::Ready(Ready { facts, claims, threads: 1, locked_us: 1, load_us: 1 })
    }
}
