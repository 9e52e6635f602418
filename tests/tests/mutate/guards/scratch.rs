//! A copy of the workspace in which a check is taken away, and what its tests say then.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use core_tests::harness::Setup;
use sha2::{Digest, Sha256};

use super::{DEPTH_MAX, Guard, edit, workspace};

/// What of the workspace is copied: all that cargo reads to build one of its crates.
const COPIED: [&str; 7] =
    ["Cargo.toml", "Cargo.lock", "broker", "policy", "shared", "tests", "worker"];
/// How long a build and a run of one crate's tests may take each: on two cores that six others
/// shared the longest took two minutes.
const SECONDS_MAX: &str = "300";

/// The copy. Its builds have a target directory of their own.
pub(super) struct Scratch {
    tree: PathBuf,
    target: PathBuf,
    /// Crates whose tests passed with all of their checks.
    sound: HashSet<&'static str>,
}

impl Scratch {
    /// Copies what changed since the last time.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub(super) fn new(dir: &Path) -> Setup<Self> {
        let (tree, target) = (dir.join("tree"), dir.join("build"));
        for name in COPIED {
            for from in files(&workspace().join(name), DEPTH_MAX)? {
                let to = tree.join(from.strip_prefix(workspace())?);
                // A build looks at the times of files.
                let bytes = fs::read(&from)?;
                if !fs::read(&to).is_ok_and(|before| before == bytes) {
                    fs::create_dir_all(to.parent().ok_or("a file without a folder")?)?;
                    fs::write(&to, bytes)?;
                }
            }
        }
        Ok(Self { tree, target, sound: HashSet::new() })
    }

    /// What the crate's tests say without one of its checks; `None` when they pass.
    ///
    /// # Errors
    /// The changed source does not compile, or the tests fail without any change: no verdict.
    pub(super) fn red_without(&mut self, guard: &Guard) -> Setup<Option<String>> {
        if self.sound.insert(guard.package)
            && let Some(red) = self.red(guard.package)?
        {
            return Err(format!("{} fails with all of its checks: {red}", guard.package).into());
        }
        let (file, original) = (self.tree.join(&guard.file), workspace().join(&guard.file));
        let text = fs::read_to_string(&original)?;
        let changed = edit::without(&text, guard.line);
        fs::write(&file, changed.ok_or("a mark on a line of an unknown form")?)?;
        let red = self.red(guard.package);
        fs::write(&file, text)?;
        red
    }

    fn red(&self, package: &str) -> Setup<Option<String>> {
        let built = self.cargo(package, &["--no-run"])?;
        if !built.status.success() {
            let said = String::from_utf8_lossy(&built.stderr);
            let error = said.lines().find(|line| line.starts_with("error"));
            return Err(format!("no build: {}", error.unwrap_or("no end")).into());
        }
        let output = self.cargo(package, &[])?;
        if output.status.success() {
            return Ok(None);
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let failed = said.lines().find(|line| line.contains("FAILED"));
        // One that hangs or cannot start has no such line, and is no kill.
        Ok(Some(failed.ok_or_else(|| format!("no verdict: {}", output.status))?.trim().into()))
    }

    fn cargo(&self, package: &str, more: &[&str]) -> Setup<Output> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let mut command = Command::new("timeout");
        command.arg(SECONDS_MAX).arg(cargo).args(["test", "--release", "--offline", "-p", package]);
        command.args(more).current_dir(&self.tree);
        // What a check leaves behind, an arm that is never reached or a name that nobody reads, is
        // no reason to refuse the build.
        command.env("RUSTFLAGS", "--cap-lints=warn").env("CARGO_TARGET_DIR", &self.target);
        // One line changes at a time, and nobody looks at a backtrace.
        command.env("CARGO_INCREMENTAL", "1").env("CARGO_PROFILE_RELEASE_DEBUG", "0");
        Ok(command.output()?)
    }
}

/// Every file beneath a folder, or the one file.
pub(super) fn files(path: &Path, depth: usize) -> Setup<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if !path.is_dir() || depth > 0 {
            found.extend(files(&path, depth.saturating_sub(1))?);
        }
    }
    Ok(found)
}

/// The SHA-256 of all that a verdict about a guard rests on: the crates that have guards, with
/// their tests and without their documents, and the lock file.
pub(super) fn digest(root: &Path, folders: &BTreeSet<&str>) -> Setup<String> {
    let mut hash = Sha256::new();
    for name in folders.iter().chain(&["Cargo.lock"]) {
        let mut found = files(&root.join(name), DEPTH_MAX)?;
        found.sort();
        let counts = |file: &&PathBuf| !file.starts_with(root.join(name).join("docs"));
        for file in found.iter().filter(counts) {
            hash.update(file.strip_prefix(root)?.to_string_lossy().as_bytes());
            hash.update(Sha256::digest(fs::read(file)?));
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
