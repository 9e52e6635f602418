//! `corectl top`: the state of a broker, live.
//!
//! One status request a second, and nothing else: what is shown is drawn anew when its answer or a
//! key comes, or the terminal has another size.

mod draw;
mod list;
#[cfg(test)]
mod tests;
mod view;

use std::{
    io::{self, IsTerminal},
    thread,
    time::Duration,
};

use core_client::{Client, RequestError, Status};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyModifiers},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};

use self::view::View;
use super::session::Target;
use crate::{
    failure::{Exit, Failure},
    out::{Format, Out},
};

/// How often the broker is asked.
const EACH: Duration = Duration::from_secs(1);

/// How long nothing may come before that is shown: an answer each second, and one that is late.
const QUIET: Duration = Duration::from_secs(2);

/// Answers and keys that wait to be shown: one answer at a time, and a key held down.
const WAITING_MAX: usize = 16;

/// What happened.
enum Happened {
    /// The broker answered, or never will.
    Told(Result<Box<Status>, RequestError>),
    /// Somebody pressed a key, or the terminal has another size.
    Typed(Event),
    /// The terminal is gone.
    Gone,
}

/// Shows the broker until somebody has seen enough.
pub(crate) async fn run(target: Target, out: &Out) -> Result<Exit, Failure> {
    if out.format() == Format::Json || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let text = "top is for a terminal: see `corectl status --json` or `corectl metrics`";
        return Err(Failure::Usage(text.into()));
    }
    let client = target.reach().await?;
    let mut view = View::new(client.status().await?);
    let mut ends = Ends::watch()?;
    let (sender, mut happened) = mpsc::channel(WAITING_MAX);
    let mut screen = Screen::open()?;
    tokio::spawn(ask(client, sender.clone()));
    // It is left where it waits for a key when the program ends.
    thread::spawn(move || listen(&sender));
    // Ends with a key, a signal, the terminal or the broker.
    loop {
        screen.show(&view)?;
        let event = tokio::select! {
            event = timeout(QUIET, happened.recv()) => event,
            () = ends.any() => return Ok(Exit::Done),
        };
        match event {
            Ok(Some(Happened::Told(status))) => view = view.next(*status?),
            Ok(Some(Happened::Typed(event))) if is_enough(&event) => return Ok(Exit::Done),
            Ok(Some(Happened::Typed(_))) | Err(_) => view.passes(),
            Ok(Some(Happened::Gone) | None) => return Err(Failure::Closed),
        }
    }
}

/// Asks the broker once a second, never before it has answered.
async fn ask(client: Client, sender: mpsc::Sender<Happened>) {
    let mut second = interval(EACH);
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first one is over at once, and the first state is shown already.
    second.tick().await;
    // Ends with the connection or the view.
    loop {
        second.tick().await;
        let status = client.status().await.map(Box::new);
        let over = status.is_err();
        if sender.send(Happened::Told(status)).await.is_err() || over {
            return;
        }
    }
}

/// Reads what is typed, in a thread of its own: a terminal cannot be waited for otherwise.
fn listen(sender: &mpsc::Sender<Happened>) {
    // Ends with the view or the terminal.
    loop {
        let happened = event::read().map_or(Happened::Gone, Happened::Typed);
        let gone = matches!(happened, Happened::Gone);
        if sender.blocking_send(happened).is_err() || gone {
            return;
        }
    }
}

/// Whether somebody wants to leave: `q`, and ^C, which is a key like any other here.
fn is_enough(event: &Event) -> bool {
    let Event::Key(key) = event else {
        return false;
    };
    match key.code {
        KeyCode::Char('q') => true,
        KeyCode::Char('c') => key.modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}

/// Signals that end the view, so that the terminal is as it was before.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Ends {
    fn watch() -> Result<Self, Failure> {
        let watch = |kind| signal(kind).map_err(Failure::Signals);
        Ok(Self {
            interrupt: watch(SignalKind::interrupt())?,
            terminate: watch(SignalKind::terminate())?,
            hangup: watch(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// The whole terminal, given back when it is dropped; ratatui gives it back at a panic too.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> Result<Self, Failure> {
        ratatui::try_init().map(Self).map_err(Failure::output)
    }

    fn show(&mut self, view: &View) -> Result<(), Failure> {
        self.0.draw(|frame| draw::draw(view, frame)).map_err(Failure::output)?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _gone = ratatui::try_restore();
    }
}
