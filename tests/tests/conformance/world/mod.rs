//! What the attacks are aimed at: files, a process, addresses, all made for this run and put back
//! before each attack, and what an attack that worked has done to them.

mod bystander;
mod files;
mod listeners;

use std::{sync::Arc, time::Duration};

use core_tests::{
    gguf::{self, Shape},
    harness::{Install, Setup, processes},
};

use self::{bystander::Bystander, files::Files, listeners::Listeners};

/// How long harm that was done may take to show.
const HARM_MAX: Duration = Duration::from_secs(5);

/// What is seen from outside when an attack worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// Nothing: what the call answers is all there is.
    Unseen,
    /// A file was made, removed or changed.
    Files,
    /// The process of the same user was ended, stopped, traced or written to.
    Bystander,
    /// Somebody connected or sent something to a listener of this run.
    Reached,
}

/// Targets for one run of the suite.
pub(crate) struct World {
    install: Arc<Install>,
    /// The worker's own model.
    pub(crate) model: String,
    /// A model of another worker.
    pub(crate) sibling_model: String,
    /// The models' directory.
    pub(crate) models: String,
    /// A file that belongs to the worker's user and that everybody may read and write.
    pub(crate) canary: String,
    /// The socket, the abstract name and the port where this run listens.
    pub(crate) listeners: Listeners,
    bystander: Bystander,
    files: Files,
}

impl World {
    /// Makes it.
    ///
    /// # Errors
    /// Something cannot be written or started.
    pub(crate) fn new() -> Setup<Self> {
        let install = Arc::new(Install::new()?);
        let (model, sibling_model) = (install.model("own"), install.model("other"));
        gguf::write_model(&Shape::tiny(), &model)?;
        gguf::write_model(&Shape::tiny(), &sibling_model)?;
        let listeners = Listeners::new(install.path())?;
        let files = Files::new(&install)?;
        Ok(Self {
            model: text(&model),
            sibling_model: text(&sibling_model),
            models: text(&install.root().join("models")),
            canary: files.canary(),
            listeners,
            bystander: Bystander::new(install.uid)?,
            files,
            install,
        })
    }

    /// The installation whose worker is attacked.
    pub(crate) fn install(&self) -> Arc<Install> {
        Arc::clone(&self.install)
    }

    /// A path beneath the installation.
    pub(crate) fn path(&self, name: &str) -> String {
        text(&self.install.path().join(name))
    }

    /// A process of the worker's user, which is to come to no harm.
    pub(crate) fn target(&self) -> u32 {
        self.bystander.pid()
    }

    /// Where that process keeps bytes that nobody else may see or change.
    pub(crate) fn target_bytes(&self) -> u64 {
        self.bystander.canary_at()
    }

    /// Puts everything back.
    ///
    /// # Errors
    /// Something cannot be written or started.
    pub(crate) fn reset(&mut self) -> Setup<()> {
        self.files.reset()?;
        self.listeners.reset()?;
        self.bystander.reset()
    }

    /// Whether this harm was done since the last [`World::reset`].
    ///
    /// # Errors
    /// Something cannot be read.
    pub(crate) fn harmed(&mut self, harm: Harm) -> Setup<bool> {
        match harm {
            Harm::Unseen => Ok(false),
            Harm::Files => Ok(self.files.change()?.is_some()),
            // A signal is on its way for as long as the machine is busy.
            Harm::Bystander => {
                Ok(processes::wait_for(HARM_MAX, || self.bystander.harm()).is_some())
            }
            Harm::Reached => self.listeners.reached(),
        }
    }

    /// That no harm of any kind was done.
    ///
    /// # Errors
    /// Says what was.
    pub(crate) fn unharmed(&mut self) -> Setup<()> {
        if let Some(change) = self.files.change()? {
            return Err(format!("a file changed: {change}").into());
        }
        if let Some(harm) = self.bystander.harm() {
            return Err(format!("the bystander was harmed: {harm}").into());
        }
        match self.listeners.reached()? {
            true => Err("a listener was reached".into()),
            false => Ok(()),
        }
    }
}

fn text(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}
