//! How a worker's process ended, and what it wrote while it lived.

mod words;

use std::{fmt, os::unix::process::ExitStatusExt as _, process::ExitStatus, time::Duration};

use nix::{libc, sys::signal::Signal};
use tokio::{
    io::AsyncReadExt as _,
    net::unix::pipe,
    time::{Instant, sleep_until},
};

pub(crate) use self::words::{LastWords, Said};

/// Bytes of one line of a worker that are kept; the longest line of llama.cpp that helps anybody.
const LINE_BYTES_MAX: usize = 256;

/// Lines of one worker in a window that are logged: a load says about 40.
const LINES_MAX: u32 = 100;

/// Bytes of one worker in a window that are read; then its pipe fills, and its writes, which never
/// block, are lost to nobody but itself.
const BYTES_MAX: usize = 64 << 10;

/// Length of a window.
const WINDOW: Duration = Duration::from_secs(1);

/// How a process ended, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// It made a call that its filter kills for: SIGSYS.
    Policy,
    /// The kernel had no memory left, and ended it: SIGKILL.
    NoMemory,
    /// It was refused memory, by its limit or by the kernel, and ended itself: SIGABRT.
    NoAllocation,
    /// A signal ended it.
    Signal(i32),
    /// It ended by itself.
    Exit(i32),
}

impl From<ExitStatus> for Death {
    fn from(status: ExitStatus) -> Self {
        match (status.signal(), status.code()) {
            (Some(libc::SIGSYS), _) => Self::Policy,
            (Some(signal), _) => Self::Signal(signal),
            (None, code) => Self::Exit(code.unwrap_or(-1)),
        }
    }
}

impl Death {
    /// The same with its cause, where that was lack of memory: what the worker said, and whether
    /// the kernel ended anybody for that at the time.
    pub(crate) fn explained(self, said: &Said, kernel_killed: bool) -> Self {
        match self {
            Self::Signal(libc::SIGKILL) if kernel_killed => Self::NoMemory,
            Self::Signal(libc::SIGABRT) if said.of_memory => Self::NoAllocation,
            Self::Policy
            | Self::NoMemory
            | Self::NoAllocation
            | Self::Signal(_)
            | Self::Exit(_) => self,
        }
    }
}

/// Half a sentence: "the worker ...".
impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy => f.write_str("made a forbidden system call and was killed (SIGSYS)"),
            Self::NoMemory => {
                f.write_str("was ended by the kernel, which had no memory left (SIGKILL)")
            }
            Self::NoAllocation => f.write_str("was refused memory and gave up (SIGABRT)"),
            Self::Exit(code) => write!(f, "ended with exit code {code}"),
            Self::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "was ended by {signal}{}", hint(signal)),
                Err(_) => write!(f, "was ended by signal {number}"),
            },
        }
    }
}

fn hint(signal: Signal) -> &'static str {
    match signal {
        Signal::SIGILL => " (an instruction that this CPU does not deliver)",
        Signal::SIGKILL => " (somebody killed it)",
        Signal::SIGABRT => " (an assertion failed)",
        Signal::SIGSEGV | Signal::SIGBUS => " (a memory error)",
        _ => "",
    }
}

/// Reads a worker's log to its end, into the broker's, line by line and at a bounded rate; the last
/// lines are kept.
pub(crate) async fn pump(mut log: pipe::Receiver, pid: u32, model: String, last: LastWords) {
    let mut lines = Lines::default();
    let mut chunk = [0; 4096];
    let mut window = Window::new();
    // Ends with the pipe: the worker holds its only other end.
    while let Ok(count @ 1..) = log.read(&mut chunk).await {
        window.bytes += count;
        for &byte in &chunk[..count] {
            if let Some(line) = lines.push(byte) {
                last.heard(&line);
                window.log(pid, &model, &line);
            }
        }
        if window.bytes >= BYTES_MAX {
            sleep_until(window.began + WINDOW).await;
        }
        window.turn(pid);
    }
    if let Some(line) = lines.push(b'\n') {
        last.heard(&line);
        window.log(pid, &model, &line);
    }
}

/// What was taken in the current window.
struct Window {
    began: Instant,
    bytes: usize,
    lines: u32,
    dropped: u32,
}

impl Window {
    fn new() -> Self {
        Self { began: Instant::now(), bytes: 0, lines: 0, dropped: 0 }
    }

    fn turn(&mut self, pid: u32) {
        if self.began.elapsed() < WINDOW {
            return;
        }
        if self.dropped > 0 {
            tracing::warn!(pid, lines = self.dropped, "lines of a worker were left out");
        }
        *self = Self::new();
    }

    fn log(&mut self, pid: u32, model: &str, line: &str) {
        self.lines += 1;
        if self.lines > LINES_MAX {
            self.dropped += 1;
        } else if sounds_bad(line) {
            tracing::warn!(pid, %model, "worker: {line}");
        } else {
            tracing::debug!(pid, model, "worker: {line}");
        }
    }
}

/// Whether a line is worth a warning; a guess, since the text is a worker's.
fn sounds_bad(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    // The last two are what the C++ runtime says of an exception that nobody caught.
    let words = ["error", "fail", "panic", "assert", "abort", "terminate called", "what():"];
    words.iter().any(|word| line.contains(word))
}

/// Bytes of a worker become lines that a terminal can show.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: String,
}

impl Lines {
    /// Takes one byte; answers a line once it is whole. What is no printable ASCII becomes `?`, and
    /// what is beyond the longest line is cut.
    pub(super) fn push(&mut self, byte: u8) -> Option<String> {
        match byte {
            b'\n' if self.line.is_empty() => return None,
            b'\n' => return Some(std::mem::take(&mut self.line)),
            _ if self.line.len() >= LINE_BYTES_MAX => {}
            b' '..=b'~' => self.line.push(char::from(byte)),
            _ => self.line.push('?'),
        }
        None
    }
}
