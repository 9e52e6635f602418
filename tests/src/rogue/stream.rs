//! A stream beside an attack, and how much of it the attack takes.

use std::{
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use core_wire::client::{Event, Request};

use super::{Door, raw};
use crate::harness::Setup;

/// Tokens of a stream that lasts as long as anybody looks at it: 40 minutes of them.
const ENDLESS: u32 = 500_000;
/// How far a stream may fall behind what it is alone.
const FACTOR: u32 = 2;
/// Gaps below this are the scheduler's noise on a shared machine and no reader's business.
const NOISE: Duration = Duration::from_millis(10);
/// Tries for a quiet moment.
const ROUNDS: usize = 8;
/// How long a stream is looked at alone before each.
const ALONE: Duration = Duration::from_secs(1);

/// A stream that is read by a thread of its own.
pub struct Stream {
    at: Arc<Mutex<Vec<Instant>>>,
    socket: UnixStream,
    reader: Option<JoinHandle<String>>,
}

/// What a reader sees of a stream in a window.
#[derive(Clone, Copy, Debug)]
pub struct Gaps {
    /// Tokens for each second.
    pub rate: f64,
    /// 99 of 100 gaps between two tokens are at most this.
    pub p99: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Stream {
    /// Starts one and waits for its first token.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(door: &Door, model: &str) -> Setup<Self> {
        let mut raw = door.enter()?;
        raw.ask("stream", Request::Generate(Box::new(raw::generate(model, ENDLESS))))?;
        let socket = raw.stream.try_clone()?;
        let at = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&at);
        let reader = thread::spawn(move || {
            loop {
                match raw.hear() {
                    Ok(frame) if matches!(frame.event, Event::Token { .. }) => {
                        seen.lock().expect("no reader panics").push(Instant::now());
                    }
                    Ok(frame) if frame.event.is_terminal() => return format!("{:?}", frame.event),
                    Ok(_) => {}
                    Err(error) => return error.to_string(),
                }
            }
        });
        let stream = Self { at, socket, reader: Some(reader) };
        let first = || (stream.tokens() > 0).then_some(());
        let limit = Duration::from_secs(20);
        crate::harness::processes::wait_for(limit, first).ok_or("the stream has no first token")?;
        Ok(stream)
    }

    /// Tokens so far.
    ///
    /// # Panics
    /// The reader panicked.
    pub fn tokens(&self) -> usize {
        self.at.lock().expect("no reader panics").len()
    }

    /// Reads along for so long.
    ///
    /// # Errors
    /// As [`Stream::since`].
    pub fn window(&self, time: Duration) -> Setup<Gaps> {
        let from = Instant::now();
        thread::sleep(time);
        self.since(from)
    }

    /// Looks whether a stream is at most twice as slow as it is alone while something happens.
    /// Other work on the machine slows it down as well, but not all of the time: so that is tried
    /// again for a quiet moment.
    ///
    /// # Errors
    /// What happens fails, the stream has ended, or it was slower each time.
    pub fn undisturbed_by(&self, mut what: impl FnMut() -> Setup<()>) -> Setup<()> {
        let mut slow = Ok(());
        for _ in 0..ROUNDS {
            let alone = self.window(ALONE)?;
            let from = Instant::now();
            what()?;
            slow = self.since(from)?.within(&alone);
            if slow.is_ok() {
                break;
            }
        }
        slow
    }

    /// What came since then; the time since the last token counts as a gap.
    ///
    /// # Errors
    /// The stream has ended.
    ///
    /// # Panics
    /// The reader panicked.
    pub fn since(&self, from: Instant) -> Setup<Gaps> {
        if self.reader.as_ref().is_none_or(JoinHandle::is_finished) {
            return Err("the stream beside has ended".into());
        }
        let now = Instant::now();
        let at = self.at.lock().expect("no reader panics");
        let first = at.partition_point(|&token| token < from);
        let marks: Vec<_> =
            [from].into_iter().chain(at[first..].iter().copied()).chain([now]).collect();
        let mut gaps: Vec<_> = marks.windows(2).map(|two| two[1] - two[0]).collect();
        gaps.sort_unstable();
        let p99 = gaps[(gaps.len() * 99 / 100).min(gaps.len() - 1)];
        let rate = (at.len() - first) as f64 / (now - from).as_secs_f64();
        Ok(Gaps { rate, p99, longest: gaps[gaps.len() - 1] })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The broker cancels what nobody reads.
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Gaps {
    /// Whether a stream is at most twice as slow as it is alone.
    ///
    /// # Errors
    /// It is slower; both are in the text.
    pub fn within(&self, alone: &Self) -> Setup<()> {
        let p99_max = FACTOR * alone.p99.max(NOISE);
        if self.p99 <= p99_max && self.rate * f64::from(FACTOR) >= alone.rate {
            return Ok(());
        }
        Err(format!("the stream beside was {self:?}, alone {alone:?}").into())
    }
}
