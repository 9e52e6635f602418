//! What the attacks are aimed at: files, a process, an address, all made for this run.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
};

use core_tests::{
    gguf::{self, Shape},
    harness::{Install, Setup},
    trace::Arg,
};

/// Targets for one run of the suite.
pub(crate) struct World {
    /// The installation whose worker is attacked.
    pub(crate) install: Install,
    /// The worker's own model.
    pub(crate) model: String,
    /// A model of another worker.
    pub(crate) sibling_model: String,
    /// The models' directory.
    pub(crate) models: String,
    /// A file that everybody may read and write.
    pub(crate) canary: String,
    /// This process, which plays the broker.
    pub(crate) broker: u32,
    /// A process of the same uid.
    pub(crate) target: u32,
    bystander: Child,
}

impl World {
    /// Makes it.
    ///
    /// # Errors
    /// Something cannot be written or started.
    pub(crate) fn new() -> Setup<Self> {
        let install = Install::new()?;
        let (model, sibling_model) = (install.model("own"), install.model("other"));
        gguf::write_model(&Shape::tiny(), &model)?;
        gguf::write_model(&Shape::tiny(), &sibling_model)?;
        let canary = install.path().join("canary");
        fs::write(&canary, "untouched canary")?;
        fs::set_permissions(&canary, fs::Permissions::from_mode(0o666))?;
        let bystander = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn()?;
        Ok(Self {
            model: model.to_string_lossy().into_owned(),
            sibling_model: sibling_model.to_string_lossy().into_owned(),
            models: install.root().join("models").to_string_lossy().into_owned(),
            canary: canary.to_string_lossy().into_owned(),
            broker: std::process::id(),
            target: bystander.id(),
            install,
            bystander,
        })
    }

    /// A path beneath the installation where nothing is.
    pub(crate) fn fresh(&self, name: &str) -> String {
        self.install.path().join(name).to_string_lossy().into_owned()
    }

    /// An abstract Unix address.
    pub(crate) fn address(&self) -> Arg {
        let mut bytes = vec![0; 110];
        bytes[0] = 1;
        bytes[3] = b'x';
        Arg::Bytes(bytes)
    }

    /// Whether the bystander still runs and nothing was created or changed.
    ///
    /// # Errors
    /// Says what was.
    pub(crate) fn unharmed(&mut self) -> Setup<()> {
        if let Some(status) = self.bystander.try_wait()? {
            return Err(format!("the bystander ended: {status}").into());
        }
        let passwd = fs::metadata(&self.sibling_model)?.len();
        if passwd == 0 {
            return Err("the sibling's model was truncated".into());
        }
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.bystander.kill();
        let _ = self.bystander.wait();
    }
}
