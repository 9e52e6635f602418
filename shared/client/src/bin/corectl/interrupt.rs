//! Ctrl-C: the first one cancels what runs, the next one ends the program.
//!
//! A task of its own watches, so that it also works while a write to standard output blocks.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use core_client::Canceller;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Exit;

/// What an interrupt means now.
#[derive(Clone, Default)]
pub(crate) struct Interrupts(Arc<Mutex<Phase>>);

#[derive(Default)]
enum Phase {
    /// Nothing that could be cancelled: end.
    #[default]
    Idle,
    /// Cancel this.
    Running(Canceller),
    /// It is being cancelled, and the user does not want to wait for it.
    Cancelling,
}

/// While it lives, an interrupt cancels the request.
pub(crate) struct Running(Interrupts);

impl Interrupts {
    /// Starts to watch; from here on an interrupt no longer ends the program by itself.
    pub(crate) fn watch() -> io::Result<Self> {
        let mut signals = signal(SignalKind::interrupt())?;
        let interrupts = Self::default();
        let shared = interrupts.clone();
        tokio::spawn(async move {
            // Ends with the program.
            while signals.recv().await.is_some() {
                shared.interrupted();
            }
        });
        Ok(interrupts)
    }

    /// Lets an interrupt cancel a request until the guard is dropped.
    pub(crate) fn running(&self, canceller: Canceller) -> Running {
        *self.lock() = Phase::Running(canceller);
        Running(self.clone())
    }

    fn interrupted(&self) {
        let mut phase = self.lock();
        match std::mem::replace(&mut *phase, Phase::Cancelling) {
            Phase::Running(canceller) => canceller.cancel(),
            Phase::Idle | Phase::Cancelling => std::process::exit(Exit::Cancelled as i32),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        // No lock is held while foreign code runs, so a poisoned one is as sound as any.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.0.lock() = Phase::Idle;
    }
}
