//! Rows about a worker that lies: `rogue-worker` speaks the real protocol to the real broker, which
//! must see each lie, kill the liar, tell its client once, and go on. Beside each liar an honest
//! worker's stream runs, at most twice as slow as alone.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use core_tests::{
    gguf::DERIVED,
    harness::{Broker, Setup, processes},
    rogue::{Den, Door, Footprint, Lie, Stream, load_broken},
};

use crate::live::Row;

/// Deaths at random instants; `CORE_KILLS=1000` runs the row as it is written.
const KILLS: u64 = 40;
/// Workers that lie at random; each sends up to a thousand records.
const SEEDS: u64 = 12;
/// Of so many malformed files one.
const FILES_STEP: usize = 17;

/// All rows of this kind.
pub(crate) fn all() -> Vec<Row> {
    let row = |id, what, check| Row { id, what, check };
    vec![
        row("H01", "positions beyond the ring, and all of W written at once", || lies("H01")),
        row("H02", "positions that go back, wrap or are odd, either way", || lies("H02")),
        row("H09", "records that cannot be, or mean nothing possible", || lies("H09")),
        row("H09", "records at random", random),
        row("T04", "workers without their sandbox, or with a hole in it", || lies("T04")),
        row("H12", "workers that die in the middle of a record", || lies("H12")),
        row("H12", "workers killed at random instants", killed),
        row("H11", "storms of bells, floods of records and of log lines", || lies("H11")),
        row("H11", "workers that never answer, beside one that does", silent),
        row("L10", "model files of every malformed kind, in the shipped worker", files),
    ]
}

/// Every quick lie of a row, one after another, in one broker.
fn lies(row: &str) -> Setup<()> {
    let den = Den::new()?;
    let round = AtomicU64::new(0);
    den.beside(|| {
        let seed = round.fetch_add(1, Ordering::Relaxed);
        for &lie in Lie::all().iter().filter(|lie| lie.row() == row && !lie.is_slow()) {
            den.meet(lie, seed)?;
        }
        Ok(())
    })
}

fn random() -> Setup<()> {
    let den = Den::new()?;
    let seeds = number("CORE_SEEDS", SEEDS)?;
    let next = AtomicU64::new(0);
    den.beside(|| {
        let mut own = (0..seeds).map(|_| next.fetch_add(1, Ordering::Relaxed));
        own.try_for_each(|seed| den.meet(Lie::Random, seed))
    })
}

/// Those that are only found by the clock, each in a broker of its own, all at once.
fn silent() -> Setup<()> {
    let slow = Lie::all().iter().filter(|lie| lie.is_slow());
    let dens = slow.map(|&lie| Ok((Den::new()?, lie))).collect::<Setup<Vec<_>>>()?;
    thread::scope(|scope| {
        let all: Vec<_> =
            dens.iter().map(|(den, lie)| scope.spawn(|| one_silent(den, *lie))).collect();
        all.into_iter().try_for_each(|one| one.join().map_err(|_| "a check panicked")?)
    })
}

fn one_silent(den: &Den, lie: Lie) -> Setup<()> {
    let stream = den.stream()?;
    let before = Footprint::of(&den.broker)?;
    // What keeps a slot that it was to give back is killed later than its client is told.
    let gone = || (den.broker.workers().len() <= before.workers).then_some(());
    let limit = Duration::from_secs(45);
    stream.undisturbed_by(|| {
        den.meet(lie, 0)?;
        let gone = processes::wait_for(limit, gone);
        Ok(gone.ok_or_else(|| format!("{}: it lives", lie.name()))?)
    })?;
    before.settle(&den.broker)
}

/// Kills an honest worker in mid-stream, again and again: its client gets whole tokens, then one
/// typed end, and the next worker starts on rings of its own.
fn killed() -> Setup<()> {
    use core_tests::gguf::rng::SplitMix;
    let den = Den::new()?;
    let mut noise = SplitMix::new(4, 0);
    let stream = den.stream()?;
    let before = Footprint::of(&den.broker)?;
    for round in 0..number("CORE_KILLS", KILLS)? {
        let wait = Duration::from_micros(noise.draw() % 40_000);
        den.kill(round, wait).map_err(|error| format!("round {round}: {error}"))?;
    }
    before.settle(&den.broker)?;
    stream.window(Duration::from_millis(500))?;
    Ok(())
}

/// A few of each kind in the shipped worker; the test program `rogue` tries all of them.
fn files() -> Setup<()> {
    let broker = Broker::with_long()?;
    let door = Door::of(&broker)?;
    let stream = Stream::start(&door, "long")?;
    load_broken(&broker, &door, 0)?;
    let before = Footprint::of(&broker)?;
    for n in (0..DERIVED).step_by(FILES_STEP) {
        let (kind, outcome) = load_broken(&broker, &door, n)?;
        if outcome == "SIGSYS" {
            return Err(format!("file {n}, {kind}: its reader needed what LOAD denies").into());
        }
    }
    before.settle(&broker)?;
    stream.window(Duration::from_millis(200))?;
    Ok(())
}

/// A count from the environment.
fn number(name: &str, usual: u64) -> Setup<u64> {
    match std::env::var(name) {
        Ok(text) => Ok(text.parse().map_err(|_| format!("{name}={text} is no number"))?),
        Err(_) => Ok(usual),
    }
}
