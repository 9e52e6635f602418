//! Files that attacks aim at, and what has become of all files of the installation.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    sync::Arc,
};

use core_tests::harness::{Install, Setup};

/// What the canary holds.
const CANARY: &str = "untouched canary";
/// Directories beneath the installation in which anything new would show.
const WATCHED: [&str; 2] = ["root", "target"];

/// What is seen of one file: kind and mode, owner, length, change time, and for small ones content.
type Seen = (u32, u32, u64, i64, i64, Vec<u8>);

/// The files of one installation.
pub(super) struct Files {
    install: Arc<Install>,
    /// What both models hold.
    model: Vec<u8>,
    before: BTreeMap<PathBuf, Seen>,
}

impl Files {
    pub(super) fn new(install: &Arc<Install>) -> Setup<Self> {
        let model = fs::read(install.model("own"))?;
        let mut files = Self { install: Arc::clone(install), model, before: BTreeMap::new() };
        files.make()?;
        files.before = files.look()?;
        Ok(files)
    }

    pub(super) fn canary(&self) -> String {
        self.target("canary").to_string_lossy().into_owned()
    }

    /// The first file that is not as it was, if any.
    pub(super) fn change(&self) -> Setup<Option<String>> {
        let now = self.look()?;
        let told = |path: &PathBuf| path.to_string_lossy().into_owned();
        let gone = self.before.keys().find(|path| !now.contains_key(*path));
        let other = now.iter().find(|(path, seen)| self.before.get(*path) != Some(*seen));
        Ok(gone.map(told).or(other.map(|(path, _)| told(path))))
    }

    pub(super) fn reset(&mut self) -> Setup<()> {
        if self.change()?.is_none() {
            return Ok(());
        }
        let new: Vec<PathBuf> =
            self.look()?.into_keys().filter(|path| !self.before.contains_key(path)).collect();
        for path in new.iter().rev() {
            let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
        }
        self.make()?;
        self.before = self.look()?;
        Ok(())
    }

    fn target(&self, name: &str) -> PathBuf {
        self.install.path().join("target").join(name)
    }

    fn make(&self) -> Setup<()> {
        let (install, uid) = (&self.install, self.install.uid);
        let directory = self.target("");
        fs::create_dir_all(&directory)?;
        let others = install.root().join("temp/other-worker");
        let setuid = self.target("setuid");
        let link = install.root().join("cache/link");
        for path in [self.target("canary"), others.clone()] {
            let _ = fs::remove_file(&path);
            fs::write(&path, CANARY)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
        }
        for model in ["own", "other"] {
            fs::write(install.model(model), &self.model)?;
        }
        fs::copy("/bin/sleep", install.root().join("cache/elf"))?;
        fs::copy("/bin/sleep", &setuid)?;
        if fs::symlink_metadata(&link).is_err() {
            symlink("/etc", &link)?;
        }
        if nix::unistd::geteuid().is_root() {
            for path in [&directory, &self.target("canary"), &others, &install.model("own")] {
                chown(path, Some(uid), Some(uid))?;
            }
        }
        fs::set_permissions(&setuid, fs::Permissions::from_mode(0o4755))?;
        Ok(())
    }

    fn look(&self) -> Setup<BTreeMap<PathBuf, Seen>> {
        let mut found = BTreeMap::new();
        let mut open: Vec<PathBuf> =
            WATCHED.iter().map(|name| self.install.path().join(name)).collect();
        // Ends: a directory tree of this run's own, some ten entries.
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(&directory)? {
                let path = entry?.path();
                let seen = seen(&path)?;
                if path.is_dir() && !path.is_symlink() {
                    open.push(path.clone());
                }
                found.insert(path, seen);
            }
        }
        Ok(found)
    }
}

/// Files that are compared as a whole; a model is compared by its length and times.
const WHOLE_MAX: u64 = 4096;

fn seen(path: &Path) -> Setup<Seen> {
    let meta = fs::symlink_metadata(path)?;
    let whole = meta.is_file() && meta.len() <= WHOLE_MAX;
    let content = if whole { fs::read(path)? } else { Vec::new() };
    // A directory's times tell of what is in it, which is listed anyway.
    let times = if meta.is_dir() { (0, 0) } else { (meta.ctime(), meta.ctime_nsec()) };
    let length = if meta.is_dir() { 0 } else { meta.len() };
    Ok((meta.mode(), meta.uid(), length, times.0, times.1, content))
}
