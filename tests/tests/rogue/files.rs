//! Model files that are not what they say, in the shipped worker behind its shipped sandbox: each
//! is refused by name or ends its own worker, and nothing outside of that worker notices.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use core_tests::{
    gguf::DERIVED,
    harness::{Broker, Install, Setup},
    rogue::{Door, Footprint, Stream, load_broken},
};

use crate::number;

/// Files of one run; which ones moves on with each day.
const FILES: usize = 60;
/// Files between two looks at the stream beside.
const PART: usize = 10;
/// One thread for each worker, so that a load takes no core from the stream beside.
const CONFIG: &str = "[defaults]\nthreads = 1\nn_ctx = 1024\n[models.long]\nn_ctx = 32768\n";

/// What became of the files, counted.
type Outcomes = BTreeMap<String, u32>;

#[test]
fn malformed_model_files_harm_their_worker_at_most() {
    let count = DERIVED.min(number("CORE_GGUF").map_or(FILES, size));
    let day = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() / 86_400;
    let from = number("CORE_GGUF_FROM").map_or_else(|| size(day) * FILES, size) % DERIVED;
    let install = Install::new().expect("an installation");
    install.add_long().expect("a model");
    fs::write(install.root().join("core.toml"), CONFIG).expect("written");
    let broker = Broker::start(install, &[]).expect("a broker");
    let door = Door::of(&broker).expect("a door");
    let mut stream = Stream::start(&door, "long").expect("a stream");
    load_broken(&broker, &door, 0).expect("a first one");
    let (before, tree) = (Footprint::of(&broker), tree(&broker).expect("it reads"));
    let mut outcomes = Outcomes::new();
    let numbers: Vec<_> = (from..from + count).map(|n| n % DERIVED).collect();
    let mut slow = Vec::new();
    for part in numbers.chunks(PART) {
        let alone = stream.window(Duration::from_secs(1)).expect("it runs");
        let began = Instant::now();
        for &n in part {
            one(&broker, &door, n, &mut outcomes);
        }
        slow.push(stream.since(began).expect("the stream beside lives").within(&alone));
        // Another for each part: its context ends before all files of the long run were tried.
        stream = Stream::start(&door, "long").expect("a stream");
    }
    println!("{count} files from {from}: {outcomes:?}");
    // Whatever else the machine does slows the stream down too, but not all of the time.
    assert!(slow.iter().any(Result::is_ok), "{slow:?}");
    before.expect("it lives").settle(&broker).expect("nothing stays");
    assert_eq!(self::tree(&broker).expect("it reads"), tree, "files changed");
}

fn size(number: u64) -> usize {
    usize::try_from(number).expect("a small number")
}

fn one(broker: &Broker, door: &Door, n: usize, outcomes: &mut Outcomes) {
    let (kind, outcome) =
        load_broken(broker, door, n).unwrap_or_else(|error| panic!("{n}: {error}"));
    assert_ne!(outcome, "SIGSYS", "file {n}, {kind}: its reader needed what LOAD denies");
    *outcomes.entry(format!("{kind}: {outcome}")).or_default() += 1;
}

/// Every file of the installation with its length and time of change, but for the broker's log.
fn tree(broker: &Broker) -> Setup<BTreeMap<String, (u64, SystemTime)>> {
    let mut found = BTreeMap::new();
    for folder in ["bin", "root/models", "root/temp", "root/cache", "root", "run", "."] {
        for entry in fs::read_dir(broker.path(folder))? {
            let entry = entry?;
            let meta = entry.metadata()?;
            let path = entry.path().to_string_lossy().into_owned();
            if meta.is_file() && !path.ends_with("broker.log") {
                found.insert(path, (meta.len(), meta.modified()?));
            }
        }
    }
    Ok(found)
}
