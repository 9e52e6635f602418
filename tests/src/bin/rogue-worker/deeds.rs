//! The lies that are no record: positions, headers, storms, silence, deaths.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use core_policy::apply;
use core_ring::{Forged, Forger};
use core_tests::{gguf::rng::SplitMix, rogue::Lie};
use core_wire::{
    ids::JobId,
    worker::{Step, ToBroker},
};

use crate::{Fallible, boot::Rogue, link::Link, records};

/// How long a flood lasts.
const FLOOD: Duration = Duration::from_secs(3);
/// How long who says nothing says nothing: longer than anybody waits.
const SILENCE: Duration = Duration::from_secs(120);
/// Data bytes of W, and the most of a record.
const W_BYTES: u64 = core_ring::W_BYTES_DEFAULT as u64;
const RECORD_MAX: u64 = W_BYTES / core_ring::RECORD_FRACTION as u64;
/// Kinds as they stand in a header: a step, and one that has no payload.
const STEP: u64 = 7 << 32;
const PAUSED: u64 = 10 << 32;
/// Words of the control page that a scribbler spoils now and then.
const CONTROLS: [Forged; 5] =
    [Forged::Tail, Forged::Head, Forged::DataWake, Forged::SpaceWake, Forged::Pulse];

/// A lie about how far it has read, told once a job comes: the broker looks when it needs space.
pub(crate) fn at_job(rogue: &mut Rogue) -> Fallible<()> {
    let head = match rogue.lie {
        Lie::HeadBeyond => 1 << 40,
        Lie::HeadOdd => 12,
        Lie::HeadBackwards => 0,
        Lie::Deaf => {
            thread::sleep(SILENCE);
            return Ok(());
        }
        _ => return Ok(()),
    };
    rogue.link.forger.set(Forged::Head, head);
    // Nothing more is read, or the truth would follow.
    thread::sleep(SILENCE);
    Ok(())
}

/// Lies, once three true tokens were sent; `step` is the last one's number.
pub(crate) fn lie(rogue: &mut Rogue, job: JobId, step: &mut u64) -> Fallible<()> {
    let lie = rogue.lie;
    if let Some((kind, payload)) = records::bytes(lie, job, *step + 1) {
        rogue.link.say_bytes(kind, &payload)?;
    }
    for record in records::of(lie, job, *step + 1) {
        rogue.link.say(&record)?;
    }
    if ring(&rogue.link, lie) {
        // Nothing more is published, or the truth would stand there before a busy broker looks.
        thread::sleep(SILENCE);
    }
    die(&rogue.link, lie);
    match lie {
        Lie::Silent => thread::sleep(SILENCE),
        Lie::Beats => {
            let end = Instant::now() + SILENCE;
            while Instant::now() < end {
                rogue.link.beat();
                thread::sleep(Duration::from_millis(10));
            }
        }
        // The bell of the second takes a few more and blocks then.
        Lie::BellStorm | Lie::BellFull => loop {
            rogue.link.forger.ring();
        },
        Lie::FloodSteps => flood(&mut rogue.link, step, 0)?,
        Lie::FloodBells => flood(&mut rogue.link, step, 20)?,
        Lie::FloodLog => flood_log(),
        Lie::Random => random(rogue, job, *step)?,
        Lie::Scribbles => {
            rogue.scribbler.as_ref().ok_or("no scribbler")?.go();
            // Two threads of a busy machine take turns: this one leaves its turns to the other.
            thread::sleep(SILENCE);
        }
        _ => {}
    }
    Ok(())
}

/// Positions and headers that no producer writes; whether this lie is one of them.
fn ring(link: &Link, lie: Lie) -> bool {
    let tail = link.forger.tail();
    let to = |position: u64| {
        link.forger.set(Forged::Tail, position);
        link.forger.ring();
    };
    match lie {
        Lie::TailBeyond => to(tail + W_BYTES + 8),
        Lie::TailMax => to(u64::MAX - 7),
        Lie::TailWraps => to(tail + (1 << 32)),
        Lie::TailBackwards => to(tail - 8),
        Lie::TailOdd => to(tail + 4),
        Lie::LengthHuge => link.forge(&[STEP | 0xffff_ffff], 8),
        Lie::LengthOver => link.forge(&[STEP | RECORD_MAX], RECORD_MAX + 8),
        Lie::PaddingSet => link.forge(&[STEP | 3, u64::MAX], 16),
        Lie::KindZero => link.forge(&[0], 8),
        Lie::KindHigh => link.forge(&[12 << 32], 8),
        Lie::ReservedBits => link.forge(&[PAUSED | 1 << 40], 8),
        Lie::Torn => link.forge(&[STEP | 64], 16),
        _ => return false,
    }
    true
}

fn die(link: &Link, lie: Lie) {
    let tail = link.forger.tail();
    match lie {
        // A header and half a payload behind the tail: nobody may ever see them.
        Lie::DiesTorn => {
            link.forger.set(Forged::Data(tail), STEP | 64);
            link.forger.set(Forged::Data(tail + 8), 0x0101_0101_0101_0101);
            std::process::abort();
        }
        Lie::DiesShown => {
            link.forge(&[STEP | 64], 16);
            std::process::abort();
        }
        Lie::ExitsZero => apply::leave(0),
        // The one signal that is allowed to be sent is SIGABRT: a stack without an end it is.
        Lie::Segfaults => drop(std::hint::black_box(deep(1))),
        _ => {}
    }
}

#[expect(unconditional_recursion, reason = "the stack has to end")]
fn deep(n: u64) -> Box<u64> {
    let page = std::hint::black_box([n; 512]);
    let below = deep(page[usize::try_from(n % 512).unwrap_or(0)] + 1);
    Box::new(*below + page[0])
}

/// Steps without a token as fast as they are taken, each with so many bells; then it goes on.
fn flood(link: &mut Link, step: &mut u64, bells: u32) -> Fallible<()> {
    let end = Instant::now() + FLOOD;
    while Instant::now() < end {
        *step += 1;
        link.say(&ToBroker::Step(Step { step: *step, ..Step::default() }))?;
        for _ in 0..bells {
            link.forger.ring();
        }
        link.beat();
    }
    Ok(())
}

fn flood_log() {
    let line = [b"error: assertion failed \x1b[2J ".as_slice(), &[b'x'; 400], b"\n"].concat();
    let end = Instant::now() + FLOOD;
    while Instant::now() < end {
        // A full pipe drops it.
        let _written = std::io::stderr().write_all(&line);
    }
}

/// True records with bits flipped, and now and then a word anywhere in W.
fn random(rogue: &mut Rogue, job: JobId, step: u64) -> Fallible<()> {
    let mut noise = SplitMix::new(rogue.seed, 0);
    let tokens = vec![records::token(job, 1)];
    let true_step = Step { step: step + 1, tokens, ..Step::default() };
    let (kind, payload) = ToBroker::Step(true_step).encode()?;
    for _ in 0..1000 {
        let mut payload = payload.clone();
        for _ in 0..=noise.below(3) {
            let at = noise.below(payload.len());
            payload[at] ^= 1 << noise.below(8);
        }
        let kind = if noise.below(4) == 0 { 1 + noise.byte() % 11 } else { kind };
        match noise.below(8) {
            0 => rogue.link.forge(&[noise.draw(), noise.draw()], 8 * (noise.draw() % 64)),
            1 => rogue.link.forger.set(CONTROLS[noise.below(5)], noise.draw()),
            _ => rogue.link.say_bytes(kind, &payload)?,
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// A second thread, made while threads may be made, that waits for its time.
pub(crate) struct Scribbler(Arc<AtomicU32>);

const WAITS: u32 = 1;
const GOES: u32 = 2;

impl Scribbler {
    /// Starts it and waits until it waits: SERVE comes to a thread that has started.
    pub(crate) fn start(forger: Forger, seed: u64) -> Self {
        let state = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&state);
        thread::spawn(move || scribble(&forger, &seen, SplitMix::new(seed, 1)));
        while state.load(Ordering::Acquire) != WAITS {
            thread::sleep(Duration::from_millis(1));
        }
        Self(state)
    }

    pub(crate) fn go(&self) {
        self.0.store(GOES, Ordering::Release);
    }
}

fn scribble(forger: &Forger, state: &AtomicU32, mut noise: SplitMix) {
    state.store(WAITS, Ordering::Release);
    while state.load(Ordering::Acquire) != GOES {
        thread::sleep(Duration::from_millis(1));
    }
    for n in 0_u64.. {
        forger.set(Forged::Data(noise.draw() % W_BYTES), noise.draw());
        if n % 64 == 0 {
            // Around the true tail, so that not the first look ends it.
            let tail = forger.tail().wrapping_add(8 * (noise.draw() % 4));
            forger.set(Forged::Tail, tail);
            forger.ring();
        }
    }
}
