//! core.toml: what the operator decides. Everything has a default, so a root directory with models
//! and nothing else works.
//!
//! A file is read into a raw form that knows where each value stands, then checked into a
//! [`Config`] that cannot be wrong; what is wrong or odd is told with its line.

#![forbid(unsafe_code)]

mod check;
mod memory;
mod model;
mod placing;
mod raw;
mod settings;
#[cfg(test)]
mod tests;
mod types;

use std::{
    fmt, fs,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use nix::libc;
use thiserror::Error;

pub use self::types::*;

/// Bytes of a configuration: a thousand models with a hash each take a fifth of it.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Something about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong or odd, and what to do.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

/// Why there is no configuration; exit code 78.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path:?} cannot be read: {cause}")]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file is larger than any configuration.
    #[error("{path:?} is larger than {CONFIG_BYTES_MAX} bytes")]
    Large {
        /// Its path.
        path: PathBuf,
    },
    /// Values are wrong.
    #[error("{path:?} is wrong: {}; `core-broker check --config` tells all", .findings[0])]
    Wrong {
        /// Its path.
        path: PathBuf,
        /// What, by line; at least one.
        findings: Vec<Finding>,
    },
}

/// Reads and checks a file; the second value is what is odd but allowed.
///
/// # Errors
/// [`ConfigError`].
pub fn load(path: &Path) -> Result<(Config, Vec<Finding>), ConfigError> {
    let text = read(path)?;
    parse(&text).map_err(|findings| ConfigError::Wrong { path: path.into(), findings })
}

/// Loads the named file, which must be there, or else core.toml of the root directory, which need
/// not; the first value is what was read.
///
/// # Errors
/// [`ConfigError`].
pub fn find(
    named: Option<&Path>,
    root: &Path,
) -> Result<(Option<PathBuf>, Config, Vec<Finding>), ConfigError> {
    let usual = root.join("core.toml");
    let path = match named {
        Some(path) => std::path::absolute(path).unwrap_or_else(|_| path.into()),
        None if usual.exists() => usual,
        None => return Ok((None, Config::default(), Vec::new())),
    };
    load(&path).map(|(config, odd)| (Some(path), config, odd))
}

/// Checks the text of a configuration.
///
/// # Errors
/// What is wrong, by line; at least one finding.
pub fn parse(text: &str) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
    let lines = check::Lines::of(text);
    let raw: raw::Config = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| lines.of_byte(span.start));
        vec![Finding { line, text: error.message().replace('\n', " ") }]
    })?;
    check::check(raw, &lines)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let failed = |cause| ConfigError::Read { path: path.into(), cause };
    // A FIFO of that name must not hold up the broker, which reads the file again while it serves.
    let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    let mut text = String::new();
    let read = file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if u64::try_from(read).is_ok_and(|bytes| bytes <= CONFIG_BYTES_MAX) {
        Ok(text)
    } else {
        Err(ConfigError::Large { path: path.into() })
    }
}
