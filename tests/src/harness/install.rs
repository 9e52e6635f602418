//! A fresh installation in a temporary directory.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::Setup;
use crate::gguf::{self, Shape};

/// The first of the uids that tests run the broker as; far from any that a distribution hands out.
const UID_FIRST: u32 = 64_200;

/// Programs of an installation.
const PROGRAMS: [&str; 3] = ["core-broker", "core-worker", "corectl"];

/// The shipped programs, their engine, and an empty root directory.
pub struct Install {
    dir: TempDir,
    /// Who the broker runs as: an unused uid when the test is root, else the test's own.
    pub uid: u32,
}

impl Install {
    /// Copies what `make build` made, as an administrator's `make install` would lay it out.
    ///
    /// # Errors
    /// The release directory lacks a program, or nothing can be written to the temporary directory.
    pub fn new() -> Setup<Self> {
        let own = nix::unistd::geteuid().as_raw();
        let dir = tempfile::Builder::new().prefix("core-tests.").tempdir()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let install = Self { dir, uid: if own == 0 { UID_FIRST } else { own } };
        install.copy_programs(&release_dir()?)?;
        for sub in ["models", "tokenizers", "temp", "cache"] {
            install.directory(&format!("root/{sub}"), 0o755)?;
        }
        install.directory("root", 0o755)?;
        install.directory("run", 0o700)?;
        install.write_token(&"t0ken-".repeat(8))?;
        Ok(install)
    }

    /// The temporary directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// An installed program.
    pub fn program(&self, name: &str) -> PathBuf {
        self.path().join("bin").join(name)
    }

    /// The broker's root directory.
    pub fn root(&self) -> PathBuf {
        self.path().join("root")
    }

    /// Where the socket will be.
    pub fn socket(&self) -> PathBuf {
        self.path().join("run/core.sock")
    }

    /// The file with the handshake token.
    pub fn token_file(&self) -> PathBuf {
        self.path().join("token")
    }

    /// Where the engine's libraries lie.
    pub fn engine(&self) -> PathBuf {
        self.path().join("lib/core-runtime")
    }

    /// The path of a model's file.
    pub fn model(&self, id: &str) -> PathBuf {
        self.root().join(format!("models/{id}.gguf"))
    }

    /// Copies a file to be a model.
    ///
    /// # Errors
    /// It cannot be copied.
    pub fn add_model(&self, id: &str, file: &Path) -> Setup<PathBuf> {
        // A copy: a model with another name elsewhere is refused.
        let to = self.model(id);
        fs::copy(file, &to)?;
        Ok(to)
    }

    /// Copies the model that ships with the project.
    ///
    /// # Errors
    /// It is not where the checkout has it.
    pub fn add_story(&self) -> Setup<PathBuf> {
        // A copy: each link to the one file changes its change time, and a broker that reads it in
        // another test at that moment takes it for a file that changes.
        let to = self.model("story");
        fs::copy(story(), &to)?;
        Ok(to)
    }

    /// Makes a model with a context of 32k tokens, for streams that are to outlast a test's step.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add_long(&self) -> Setup<PathBuf> {
        let to = self.model("long");
        gguf::write_model(&Shape::wide(), &to)?;
        Ok(to)
    }

    /// Installs the bare engine beside the worker, with the same libraries.
    ///
    /// # Errors
    /// It was not built.
    pub fn add_bare(&self) -> Setup<()> {
        self.add_engine("bare")
    }

    /// Installs a program of ours that runs the engine itself, likewise.
    ///
    /// # Errors
    /// It was not built.
    pub fn add_engine(&self, program: &str) -> Setup<()> {
        let built = release_dir()?.join(program);
        fs::copy(&built, self.program(program))
            .map_err(|error| format!("{}: {error}", built.display()))?;
        let beside = self.path().join("bin/engine");
        if !beside.exists() {
            std::os::unix::fs::symlink(self.engine(), beside)?;
        }
        Ok(())
    }

    /// Replaces the token file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_token(&self, token: &str) -> Setup<()> {
        fs::write(self.token_file(), token)?;
        fs::set_permissions(self.token_file(), fs::Permissions::from_mode(0o600))?;
        Ok(())
    }

    fn copy_programs(&self, release: &Path) -> Setup<()> {
        self.directory("bin", 0o755)?;
        self.directory("lib/core-runtime", 0o755)?;
        for program in PROGRAMS {
            fs::copy(release.join(program), self.program(program))
                .map_err(|error| format!("{program} in {}: {error}", release.display()))?;
        }
        for entry in fs::read_dir(release.join("engine"))? {
            let entry = entry?;
            let to = self.engine().join(entry.file_name());
            if fs::hard_link(entry.path(), &to).is_err() {
                fs::copy(entry.path(), &to)?;
            }
        }
        Ok(())
    }

    fn directory(&self, name: &str, mode: u32) -> Setup<()> {
        let path = self.path().join(name);
        fs::create_dir_all(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        if name.starts_with("root") || name.starts_with("run") {
            chown(&path, Some(self.uid), Some(self.uid))?;
        }
        Ok(())
    }
}

/// The model that ships with the project.
pub fn story() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/model/story.gguf")
}

/// Where the release build lies: beside the running test, or where the environment says.
///
/// # Errors
/// The path of the running test is unknown or has no such parent.
pub fn release_dir() -> Setup<PathBuf> {
    if let Some(dir) = env::var_os("CORE_RELEASE_DIR") {
        return Ok(dir.into());
    }
    let test = env::current_exe()?;
    let dir = test.parent().and_then(Path::parent).ok_or("a test without a parent directory")?;
    Ok(dir.to_owned())
}
