//! Checks in the code that are marked `// guard`. To take one away is to change a source and build
//! it again, so a run makes as many as `CORE_GUARDS` says, a number or `all`, and keeps what came
//! of each beside the summary for as long as neither its crate changes nor those that this uses.
//! The others are named and no more.

mod edit;
mod scratch;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use core_tests::harness::{Setup, install::release_dir};
use serde::{Deserialize, Serialize};

use crate::report::Fate;
use scratch::Scratch;

/// What marks one.
const MARK: &str = "// guard";
/// The sources that ship, each in its crate's folder, the crate whose tests must notice, and the
/// folders of the crates that it is built of besides.
const CRATES: [(&str, &str, &[&str]); 5] = [
    ("broker", "core-broker", &["policy", "shared/ring", "shared/wire"]),
    ("policy", "core-policy", &[]),
    ("shared/ring", "core-ring", &[]),
    ("shared/wire", "core-wire", &[]),
    ("worker", "core-worker", &["policy", "shared/ring", "shared/wire"]),
];
/// Folders below each; the deepest today is three down.
const DEPTH_MAX: usize = 8;

/// One check: its file beneath the workspace, its line from 0, and the crate that it is in.
#[derive(Clone)]
pub(crate) struct Guard {
    file: PathBuf,
    line: usize,
    folder: &'static str,
    package: &'static str,
}

impl Guard {
    /// The mutant's name.
    pub(crate) fn id(&self) -> String {
        format!("guard/{}:{}", self.file.display(), self.line + 1)
    }
}

/// What came of a guard of these sources: what went red, if anything did.
#[derive(Serialize, Deserialize)]
struct Found {
    sources: String,
    red: Option<String>,
}

/// All guards, and what is known of each.
pub(crate) struct Guards {
    file: PathBuf,
    /// The digest of all that a verdict rests on, for each crate's folder.
    sources: BTreeMap<&'static str, String>,
    /// What was found, and of which sources.
    known: BTreeMap<String, Found>,
    /// How many may still be tried.
    left: usize,
    scratch: Option<Scratch>,
}

impl Guards {
    /// What earlier runs found of these very sources.
    ///
    /// # Errors
    /// A source cannot be read.
    pub(crate) fn open(all: &[Guard]) -> Setup<Self> {
        let release = release_dir()?;
        let dir = release.parent().ok_or("a release directory without a parent")?.join("mutate");
        fs::create_dir_all(&dir)?;
        let file = dir.join("guards.json");
        let mut sources = BTreeMap::new();
        for (folder, _, uses) in CRATES {
            let rests_on = uses.iter().chain([&folder]).copied().collect();
            sources.insert(folder, scratch::digest(workspace(), &rests_on)?);
        }
        let stored = fs::read_to_string(&file).ok();
        let stored = stored.and_then(|text| serde_json::from_str(&text).ok());
        let mut known: BTreeMap<String, Found> = stored.unwrap_or_default();
        known.retain(|id, found| {
            let guard = all.iter().find(|guard| guard.id() == *id);
            guard.is_some_and(|guard| sources[guard.folder] == found.sources)
        });
        let left = match env::var("CORE_GUARDS").unwrap_or_default().as_str() {
            "" => 0,
            "all" => usize::MAX,
            number => number.parse()?,
        };
        Ok(Self { file, sources, known, left, scratch: None })
    }

    /// What comes of one; `None` when it is not known and may not be tried.
    ///
    /// # Errors
    /// It could not be made or tried.
    pub(crate) fn fate(&mut self, guard: &Guard) -> Setup<Option<Fate>> {
        let id = guard.id();
        if !self.known.contains_key(&id) {
            if self.left == 0 {
                return Ok(None);
            }
            self.left -= 1;
            let red = self.scratch()?.red_without(guard)?;
            let sources = self.sources[guard.folder].clone();
            self.known.insert(id.clone(), Found { sources, red });
            fs::write(&self.file, serde_json::to_string_pretty(&self.known)?)?;
        }
        let red = self.known.get(&id).and_then(|found| found.red.clone());
        Ok(Some(red.map_or(Fate::Survived, Fate::Killed)))
    }

    fn scratch(&mut self) -> Setup<&mut Scratch> {
        let dir = self.file.parent().ok_or("a file without a folder")?.to_owned();
        match &mut self.scratch {
            Some(scratch) => Ok(scratch),
            none => Ok(none.insert(Scratch::new(&dir)?)),
        }
    }
}

/// Every guard, by file and line.
///
/// # Errors
/// A source cannot be read.
pub(crate) fn all() -> Setup<Vec<Guard>> {
    let mut found = Vec::new();
    for (folder, package, _) in CRATES {
        for path in sources(&workspace().join(folder).join("src"), DEPTH_MAX)? {
            let file = path.strip_prefix(workspace())?.to_owned();
            let text = fs::read_to_string(&path)?;
            let lines = text.lines().enumerate();
            let marked = lines.filter(|(_, line)| line.trim_end().ends_with(MARK));
            found.extend(marked.map(|(line, _)| Guard {
                file: file.clone(),
                line,
                folder,
                package,
            }));
        }
    }
    found.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    Ok(found)
}

fn sources(folder: &Path, depth: usize) -> Setup<Vec<PathBuf>> {
    let files = scratch::files(folder, depth)?;
    Ok(files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs")).collect())
}

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
