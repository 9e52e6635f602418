//! Model files that `gguf-make` writes, a program of the tests beside the worker.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use core_wire::worker::{Inspected, Purpose, ToBroker, ToWorker, config::Serve};

use super::{Worker, serve, variants};

/// Makes a file called `name` in a folder of this test's own, by the arguments of `gguf-make`.
pub(crate) fn made(test: &str, name: &str, args: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&folder).unwrap();
    let to = folder.join(name);
    let program = Path::new(env!("CARGO_BIN_EXE_core-worker")).with_file_name("gguf-make");
    let made = Command::new(&program).arg(args[0]).arg(&to).args(&args[1..]).status();
    let made = made.unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo build --release --bins` makes it", program.display())
    });
    assert!(made.success(), "gguf-make {args:?}");
    to
}

/// The parts that `gguf-make --split` made of `path`.
pub(crate) fn parts(path: &Path, count: u32) -> Vec<PathBuf> {
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let part = |n| path.with_file_name(format!("{stem}-{n:05}-of-{count:05}.gguf"));
    (1..=count).map(part).collect()
}

/// The CPU variant that suits this machine best.
pub(crate) fn best() -> String {
    let variants = variants();
    let mut worker = Worker::start(Purpose::Choose { variants: variants.clone() }, &[]);
    match worker.hear() {
        ToBroker::Variant(best) => variants[best as usize].clone(),
        other => panic!("a variant was due, not {other:?}"),
    }
}

/// Starts a worker on several files and brings it to READY.
pub(crate) fn ready(files: &[&Path], change: impl FnOnce(&mut Serve)) -> Worker {
    let mut worker = Worker::start(serve(change), files);
    worker.locked();
    worker.tell(&ToWorker::Go);
    worker.until_ready();
    worker.tell(&ToWorker::Run);
    worker
}

/// What a throwaway worker says of `files`, or why it cannot.
pub(crate) fn inspect(
    files: &[&Path],
    change: impl FnOnce(&mut Serve),
) -> Result<Inspected, String> {
    let Purpose::Serve(plan) = serve(change) else {
        panic!("the plan of a test is to serve");
    };
    let mut worker = Worker::start(Purpose::Inspect(plan), files);
    worker.locked();
    worker.tell(&ToWorker::Go);
    match worker.hear() {
        ToBroker::Inspected(inspected) => {
            assert_eq!(worker.end().0.code(), Some(0), "it leaves with its answer");
            Ok(inspected)
        }
        ToBroker::Failed(failed) => {
            assert_eq!(worker.end().0.code(), Some(1));
            Err(failed.message)
        }
        other => panic!("an answer was due, not {other:?}"),
    }
}
