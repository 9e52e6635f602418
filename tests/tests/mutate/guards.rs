//! Checks in the code that are marked `// guard`: where they are. To take one away is to change a
//! source and build it again, minutes each, so a run of the live programs only names them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use core_tests::harness::Setup;

/// What marks one.
const MARK: &str = "// guard";
/// The sources that ship.
const FOLDERS: [&str; 5] =
    ["broker/src", "policy/src", "shared/ring/src", "shared/wire/src", "worker/src"];
/// Folders below each; the deepest today is three down.
const DEPTH_MAX: usize = 8;

/// File and line of each.
///
/// # Errors
/// A source cannot be read.
pub(crate) fn all() -> Setup<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for folder in FOLDERS {
        for file in sources(&root.join(folder), DEPTH_MAX)? {
            let name = file.strip_prefix(&root)?.to_string_lossy().into_owned();
            let text = fs::read_to_string(&file)?;
            let marked =
                text.lines().enumerate().filter(|(_, line)| line.trim_end().ends_with(MARK));
            found.extend(marked.map(|(line, _)| format!("guard/{name}:{}", line + 1)));
        }
    }
    found.sort();
    Ok(found)
}

fn sources(folder: &Path, depth: usize) -> Setup<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && depth > 0 {
            found.extend(sources(&path, depth - 1)?);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}
