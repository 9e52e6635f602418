//! What ends or changes the broker from outside: signals, and the end of the control descriptor.

#![forbid(unsafe_code)]

use std::{io, os::fd::OwnedFd};

use tokio::{
    io::Interest,
    net::unix::pipe::Receiver,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

/// Messages that wait for the run loop: a drain, a cancel, and rescans that may be lost when one
/// waits already.
pub const CONTROL_MAX: usize = 8;

/// What the run loop is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Take no more work, finish what runs within `drain_ms`, then end.
    Drain,
    /// End what runs now.
    CancelNow,
    /// Look at models/ and the configuration again.
    Rescan,
}

/// The sources of [`Control`], registered.
#[derive(Debug)]
pub struct Sources {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    control: Option<ControlEnd>,
}

impl Sources {
    /// Registers all; from here on no signal ends the process by itself.
    ///
    /// # Errors
    /// When a handler or the descriptor cannot be registered.
    pub fn register(control: Option<OwnedFd>) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            control: control.map(ControlEnd::watch).transpose()?,
        })
    }

    /// Forwards until the run loop is over.
    pub async fn forward(mut self, to: mpsc::Sender<Control>) {
        let mut draining = false;
        loop {
            let what = tokio::select! {
                _ = self.terminate.recv() => Control::Drain,
                _ = self.interrupt.recv() => Control::Drain,
                _ = self.hangup.recv() => Control::Rescan,
                () = ended(&mut self.control) => {
                    self.control = None;
                    tracing::info!("the control descriptor has ended");
                    // The end after a signal is no second signal: Control has gone, that is all.
                    if draining { continue } else { Control::Drain }
                }
            };
            let sent = match what {
                Control::Rescan => rescan(&to),
                _ if draining => to.send(Control::CancelNow).await.is_ok(),
                _ => {
                    draining = true;
                    to.send(Control::Drain).await.is_ok()
                }
            };
            if !sent {
                return;
            }
        }
    }
}

/// One rescan that waits is as good as many.
fn rescan(to: &mpsc::Sender<Control>) -> bool {
    !matches!(to.try_send(Control::Rescan), Err(mpsc::error::TrySendError::Closed(_)))
}

async fn ended(control: &mut Option<ControlEnd>) {
    match control {
        Some(end) => end.reached().await,
        None => std::future::pending().await,
    }
}

/// The control descriptor; what is written to it means nothing, its end means everything.
///
/// tokio's type for pipes is used for sockets as well: it registers any descriptor without changing
/// its flags, and nothing is read through it.
#[derive(Debug)]
struct ControlEnd(Receiver);

impl ControlEnd {
    fn watch(descriptor: OwnedFd) -> io::Result<Self> {
        Receiver::from_owned_fd_unchecked(descriptor).map(Self)
    }

    /// Waits for the other side to close, or for the descriptor to fail, which is the same.
    async fn reached(&mut self) {
        loop {
            match self.0.ready(Interest::READABLE).await {
                Ok(ready) if !ready.is_read_closed() && !ready.is_error() => self.not_yet(),
                _ => return,
            }
        }
    }

    /// Forgets that bytes have come. They stay where they are: the descriptor may be blocking, and
    /// the reactor tells of the end whether they were read or not.
    fn not_yet(&self) {
        let _ = self.0.try_io(|| -> io::Result<()> { Err(io::ErrorKind::WouldBlock.into()) });
    }
}
