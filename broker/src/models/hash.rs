//! SHA-256 of model files, on the one thread that may wait for a disk (decision D1).
//!
//! The thread touches no state and never forks: descriptors go in, digests come out. It reads by
//! position through the very descriptor that the worker will inherit, so the bytes that were hashed
//! are those of the inode that is loaded, and nobody's file position moves. Several files take
//! turns, so that a small model does not wait for a large one.
//!
//! Saved contexts are written and read here as well, each in one piece between two turns: what one
//! may take is bounded by `[cache] context_mib`.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
    sync::mpsc,
    thread,
};

use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;

use super::{files::Content, loader::Stamp};

/// Bytes read at a time: long enough to hide the call, short enough to share the second-level
/// cache.
const READ_BYTES: usize = 1 << 20;

/// Bytes of one file before the next one has its turn.
const TURN_BYTES: usize = 16 * READ_BYTES;

/// Digests that are remembered; more models than one host serves. Forgotten all at once when full:
/// the price is one more reading.
const CACHE_MAX: usize = 1024;

/// A SHA-256.
pub(crate) type Digest = [u8; 32];

/// The thread, and what it has found so far.
#[derive(Debug)]
pub(crate) struct Hasher {
    jobs: mpsc::Sender<Job>,
    known: HashMap<Stamp, Digest>,
}

/// What the thread is given.
enum Job {
    /// A file to read.
    Hash(Hashing),
    /// Something that is done in one piece.
    Piece(Box<dyn FnOnce() + Send>),
}

#[derive(Debug)]
struct Hashing {
    file: File,
    reply: oneshot::Sender<io::Result<Digest>>,
}

impl Hasher {
    /// Starts the thread. After the broker's lockdown, so that it is inside it: below Landlock ABI
    /// 8 a domain binds only the thread that entered it and those that it starts.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, inbox) = mpsc::channel();
        thread::Builder::new().name("core-io".into()).spawn(move || serve(&inbox))?;
        Ok(Self { jobs, known: HashMap::new() })
    }

    /// The digest of a content that was hashed before.
    pub(crate) fn known(&self, stamp: &Stamp) -> Option<Digest> {
        self.known.get(stamp).copied()
    }

    /// The digest of a model whose files were all hashed before, as [`combined`] makes it.
    pub(crate) fn known_of(&self, content: &Content) -> Option<Digest> {
        let stamps = content.stamps().iter();
        let digests: Option<Vec<_>> = stamps.map(|stamp| self.known(stamp.as_ref()?)).collect();
        digests.filter(|digests| !digests.is_empty()).map(|digests| combined(&digests))
    }

    /// Remembers a digest.
    pub(crate) fn remember(&mut self, stamp: Stamp, digest: Digest) {
        if self.known.len() >= CACHE_MAX {
            self.known.clear();
        }
        self.known.insert(stamp, digest);
    }

    /// Hashes all of a file; the answer comes later. Dropping the receiver ends the reading.
    pub(crate) fn hash(&self, fd: OwnedFd) -> oneshot::Receiver<io::Result<Digest>> {
        let (reply, answer) = oneshot::channel();
        // If the thread were gone the receiver would say so: its sender is dropped with the job.
        drop(self.jobs.send(Job::Hash(Hashing { file: fd.into(), reply })));
        answer
    }

    /// Does something with files in one piece; the answer comes later. It is done even when nobody
    /// waits for the answer any more: a file that is half written helps nobody.
    pub(crate) fn do_once<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (reply, answer) = oneshot::channel();
        let piece = move || drop(reply.send(work()));
        drop(self.jobs.send(Job::Piece(Box::new(piece))));
        answer
    }
}

/// The digest of a model: that of its file, or of its files' digests one after another where it has
/// several, adapters included.
pub(crate) fn combined(digests: &[Digest]) -> Digest {
    match digests {
        [only] => *only,
        several => Sha256::digest(several.concat()).into(),
    }
}

/// A digest as 64 hexadecimal digits.
pub(crate) fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Job {
    /// Does it at once, or answers what is to be read in turns.
    fn begin(self) -> Option<Reading> {
        match self {
            Self::Hash(hashing) => Some(Reading::new(hashing)),
            Self::Piece(piece) => {
                piece();
                None
            }
        }
    }
}

struct Reading {
    job: Hashing,
    offset: u64,
    hash: Sha256,
}

/// Serves until the sender is dropped. Bounded by it: one load of a model sends one job and a model
/// is loaded once at a time, and what contexts send is bounded by their budget.
fn serve(inbox: &mpsc::Receiver<Job>) {
    let mut buffer = vec![0; READ_BYTES];
    let mut open: Vec<Reading> = Vec::new();
    loop {
        if open.is_empty() {
            let Ok(job) = inbox.recv() else {
                return;
            };
            open.extend(job.begin());
        }
        open.extend(inbox.try_iter().filter_map(Job::begin));
        open = open.into_iter().filter_map(|reading| reading.turn(&mut buffer)).collect();
    }
}

impl Reading {
    fn new(job: Hashing) -> Self {
        Self { job, offset: 0, hash: Sha256::new() }
    }

    /// Reads one turn; `None` once the file is done with.
    fn turn(mut self, buffer: &mut [u8]) -> Option<Self> {
        if self.job.reply.is_closed() {
            return None;
        }
        for _ in 0..TURN_BYTES / READ_BYTES {
            match self.job.file.read_at(buffer, self.offset) {
                Ok(0) => {
                    drop(self.job.reply.send(Ok(self.hash.finalize().into())));
                    return None;
                }
                Ok(count) => {
                    self.hash.update(&buffer[..count]);
                    self.offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    drop(self.job.reply.send(Err(error)));
                    return None;
                }
            }
        }
        Some(self)
    }
}
