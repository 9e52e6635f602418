//! The files of the repository, found by our own bounded walk.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders below the root; the deepest today is five down.
const DEPTH_MAX: usize = 12;
/// Entries in all; a walk that meets more has left the repository.
const ENTRIES_MAX: usize = 20_000;
/// Folders that hold what was built or recorded, not what was written.
const SKIPPED: [&str; 4] = [".git", "target", "__pycache__", "node_modules"];

/// One file and where it is, relative to the root.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// An objection in the form that editors and terminals turn into a link.
    pub(crate) fn object(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// The repository: this crate lies one below it.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests crate lies in a folder of the repository").to_owned()
}

/// Every file whose name ends in one of `endings`, in order of path.
pub(crate) fn sources(endings: &[&str]) -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![(root.clone(), 0)];
    let mut left = ENTRIES_MAX;
    while let Some((folder, depth)) = folders.pop() {
        assert!(depth <= DEPTH_MAX, "{} is {depth} folders down", folder.display());
        for (path, is_folder) in entries(&folder) {
            left = left.checked_sub(1).expect("the repository has more entries than it may");
            if is_folder {
                folders.push((path, depth + 1));
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                found.push(read(&root, &path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Files and folders of `folder`; links are neither, so the walk cannot leave or go in circles.
fn entries(folder: &Path) -> Vec<(PathBuf, bool)> {
    let list = fs::read_dir(folder).expect("a folder of the repository can be read");
    let entries = list.map(|entry| entry.expect("an entry can be read"));
    let wanted = entries.filter(|entry| {
        let kind = entry.file_type().expect("an entry has a type");
        let name = entry.file_name();
        !kind.is_symlink() && !SKIPPED.iter().any(|skipped| name == *skipped)
    });
    wanted.map(|entry| (entry.path(), entry.path().is_dir())).collect()
}

fn read(root: &Path, path: &Path) -> Source {
    let text = fs::read_to_string(path).expect("a source file is UTF-8");
    let inside = path.strip_prefix(root).expect("the walk stays beneath the root");
    Source { path: inside.to_string_lossy().into_owned(), text }
}
