//! The worker of the chain: the order of a real one, with a byte of shared memory for its words.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use core_policy::fds::Inherited;
use core_policy::landlock::{self, CanaryPaths, WorkerCanaries};
use core_policy::profile::Profile;
use core_policy::seccomp::{self, Stage};
use core_policy::{apply, caps, limits};
use nix::fcntl::{OFlag, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;
use nix::unistd::{ftruncate, getppid};

use crate::attack::call;
use crate::attacks::team_thread;
use crate::outcome::Outcome;
use crate::stage::leave;

/// In place of a case's name and side: this process is the worker of a chain.
pub(crate) const WORKER: &str = "chain.worker";

/// What one side tells the other; the last word stands in the shared byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Locked = 1,
    Go,
    Ready,
    Leave,
    Attack,
}

/// One shared page.
pub(crate) struct Shared {
    memory: OwnedFd,
    page: *mut u8,
}

const PAGE: usize = 4096;
/// Waits are polls of 2 ms; 10,000 of them are ample on a loaded machine.
const POLLS_MAX: usize = 10_000;
const POLL: Duration = Duration::from_millis(2);

impl Shared {
    pub(crate) fn create() -> Self {
        let memory = memfd_create(c"b", MFdFlags::MFD_CLOEXEC).unwrap();
        ftruncate(&memory, PAGE as i64).unwrap();
        Self::map(memory)
    }

    fn map(memory: OwnedFd) -> Self {
        let protection = i64::from(libc::PROT_READ | libc::PROT_WRITE);
        let fd = i64::from(memory.as_raw_fd());
        let page = call(libc::SYS_mmap, &[0, PAGE as i64, protection, libc::MAP_SHARED.into(), fd]);
        assert!(page > 0);
        Self { memory, page: std::ptr::with_exposed_provenance_mut(usize::try_from(page).unwrap()) }
    }

    pub(crate) fn memory(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }

    pub(crate) fn say(&self, word: Word) {
        // SAFETY: the page stays mapped and one byte cannot tear.
        unsafe { self.page.write_volatile(word as u8) }
    }

    fn heard(&self) -> u8 {
        // SAFETY: the page stays mapped, as in `say`, and one byte cannot tear.
        unsafe { self.page.read_volatile() }
    }

    /// Waits for a word while `alive` says that somebody may still say it.
    pub(crate) fn wait(&self, word: Word, mut alive: impl FnMut() -> bool) -> bool {
        let said = (0..POLLS_MAX).take_while(|_| alive()).any(|_| {
            thread::sleep(POLL);
            self.heard() == word as u8
        });
        said || self.heard() == word as u8
    }
}

/// The page's address, so that the second thread may look as well.
#[derive(Clone, Copy)]
struct Page(usize);

/// Boots, serves, and leaves or attacks.
pub(crate) fn run() -> Outcome {
    let skip = std::env::var("CORE_POLICY_SKIP").unwrap();
    apply::default_signals().unwrap();
    let Inherited { bell, ring_b, ring_w, models, row: _ } = Inherited::take().unwrap();
    let Shared { memory, page } = Shared::map(ring_b);
    drop((memory, ring_w));
    let start = Instant::now();
    before_libraries(&skip);
    let surplus = (skip == "files").then(|| File::open("/proc/self/status").unwrap());
    let files: Vec<BorrowedFd<'_>> = models.iter().map(AsFd::as_fd).collect();
    let paths = CanaryPaths { libraries: Path::new("/usr/lib") };
    let canaries = WorkerCanaries::arm(paths, files.first().copied());
    landlock::confine_worker(&files, Profile::Cpu).unwrap();
    assert!(!canaries.check().unwrap().is_empty());
    eprintln!("unshare to canaries: {} us", start.elapsed().as_micros());
    let early = (skip == "thread").then(|| thread::spawn(thread::park));
    let words = Words(Page(page as usize));
    words.say(Word::Locked);
    assert!(words.wait(Word::Go));
    serve(&skip, words, &bell, models);
    drop((surplus, early));
    let word = words.either();
    if word == Word::Attack as u8 {
        thread::sleep(POLL * 1000);
    }
    leave(Outcome::Success)
}

fn before_libraries(skip: &str) {
    let parent = getppid().as_raw();
    if skip != "limits" {
        apply::before_libraries(parent, Profile::Cpu).unwrap();
        return;
    }
    apply::die_with_parent(parent).unwrap();
    apply::unshare_all();
    caps::drop_all().unwrap();
    limits::apply_nproc();
    apply::no_new_privs().unwrap();
}

/// From GO to READY.
fn serve(skip: &str, words: Words, bell: &OwnedFd, models: Vec<OwnedFd>) {
    if skip != "hide" {
        apply::hide().unwrap();
    }
    if skip == "count" {
        seccomp::install(Stage::Broker).unwrap();
    }
    let start = Instant::now();
    if skip != "load" {
        seccomp::install(Stage::Load).unwrap();
    }
    let load = start.elapsed();
    read_model(&models[0]);
    assert_eq!(team_thread(team, words.0.0), 0);
    thread::sleep(POLL * 10);
    drop(models);
    let start = Instant::now();
    if skip != "serve" {
        seccomp::install(Stage::Serve).unwrap();
    }
    let serve = start.elapsed();
    eprintln!("LOAD: {} us, SERVE: {} us", load.as_micros(), serve.as_micros());
    words.say(Word::Ready);
    let one = 1_u64;
    let rung = call(libc::SYS_write, &[bell.as_raw_fd().into(), crate::attack::address(&one), 8]);
    assert_eq!(rung, 8);
}

/// Opens the model as llama.cpp does; std would ask for its size by a call that LOAD lacks.
fn read_model(model: &OwnedFd) {
    let path = format!("/proc/self/fd/{}", model.as_raw_fd());
    let model = open(path.as_str(), OFlag::O_RDONLY, Mode::empty()).unwrap();
    let mut text = [0; 7];
    assert_eq!(nix::unistd::read(&model, &mut text), Ok(text.len()));
    assert_eq!(&text, b"model a");
}

/// A thread of the team, started in LOAD: it attacks when it is told to.
extern "C" fn team(page: *mut libc::c_void) -> *mut libc::c_void {
    if Words(Page(page.expose_provenance())).either() == Word::Attack as u8 {
        call(libc::SYS_socket, &[2, 1, 0]);
    }
    loop {
        thread::sleep(POLL);
    }
}

/// The shared byte as any thread sees it.
#[derive(Clone, Copy)]
struct Words(Page);

impl Words {
    fn byte(self) -> *mut u8 {
        self.0.0 as *mut u8
    }

    fn say(self, word: Word) {
        // SAFETY: the page is never unmapped and one byte cannot tear.
        unsafe { self.byte().write_volatile(word as u8) }
    }

    fn heard(self) -> u8 {
        // SAFETY: the page stays mapped, as in `say`, and one byte cannot tear.
        unsafe { self.byte().read_volatile() }
    }

    fn wait(self, word: Word) -> bool {
        (0..POLLS_MAX).any(|_| {
            thread::sleep(POLL);
            self.heard() == word as u8
        })
    }

    /// Waits for the last word, which is either of two.
    fn either(self) -> u8 {
        let last = |heard: &u8| *heard == Word::Leave as u8 || *heard == Word::Attack as u8;
        let heard = (0..POLLS_MAX).map(|_| {
            thread::sleep(POLL);
            self.heard()
        });
        heard.into_iter().find(last).unwrap_or_default()
    }
}
