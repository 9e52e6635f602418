//! What the filters of the GPU profile answer where they differ from those of the CPU profile. No
//! device takes part: a command to /dev/null gets through the filter and is then refused by the
//! kernel, which shows the filter's answer and no more.

use crate::attack::{address, call};
use crate::attacks::{Attack, open};
use crate::outcome::{KILLED, Outcome};

/// Attacks of the other list that the GPU profile lets through at a stage at least; they stand in
/// [`BY_GPU_STAGE`] with their answers.
pub(crate) const ON_GPU_ALLOWED: [&str; 2] = ["write-stdout", "prctl-name"];

const OK: Outcome = Outcome::Success;
const ACCES: Outcome = Outcome::Errno(libc::EACCES);
const BADF: Outcome = Outcome::Errno(libc::EBADF);
const FAULT: Outcome = Outcome::Errno(libc::EFAULT);
const NOTTY: Outcome = Outcome::Errno(libc::ENOTTY);

const CWD: i64 = libc::AT_FDCWD as i64;
const NONE: i64 = -1;
const RW: i64 = (libc::PROT_READ | libc::PROT_WRITE) as i64;
const EXEC: i64 = (libc::PROT_READ | libc::PROT_EXEC) as i64;
const DEVICE: i64 = libc::MAP_SHARED as i64;

/// One attack with the answers of LOAD and SERVE.
type Answered = (Attack, [Outcome; 2]);

const fn attack(name: &'static str, act: fn() -> i64, twin: Outcome) -> Attack {
    Attack { name, act, twin }
}

/// Answered by the two stages of the GPU profile: LOAD, then SERVE.
pub(crate) const BY_GPU_STAGE: &[Answered] = &[
    (attack("command-nvidia", || ioctl(0xc020_462a), NOTTY), [NOTTY, NOTTY]),
    (attack("command-uvm", || ioctl(37), NOTTY), [NOTTY, NOTTY]),
    (attack("command-uvm-start", || ioctl(0x3000_0001), NOTTY), [NOTTY, NOTTY]),
    (attack("command-render", || ioctl(0xc040_6400), NOTTY), [NOTTY, NOTTY]),
    (attack("command-tiocsti", || ioctl(0x5412), NOTTY), [KILLED, KILLED]),
    (attack("command-nonblock", || ioctl(0x5421), FAULT), [KILLED; 2]),
    (attack("open-readwrite", || open(libc::O_RDWR), OK), [OK, KILLED]),
    (attack("open-write", || open(libc::O_WRONLY), OK), [ACCES, KILLED]),
    (attack("open-create", || open(libc::O_CREAT), OK), [ACCES, KILLED]),
    (attack("stat-node", stat, FAULT), [FAULT, KILLED]),
    (attack("event", || call(libc::SYS_eventfd2, &[0, 0]), OK), [OK, KILLED]),
    (attack("name", name, OK), [OK, KILLED]),
    (attack("mmap-device", || map(RW, DEVICE), BADF), [BADF, BADF]),
    (attack("mmap-device-exec", || map(EXEC, DEVICE), BADF), [KILLED, KILLED]),
    (attack("write-eight", || write(8), BADF), [BADF, BADF]),
    (attack("write-nine", || write(9), BADF), [KILLED, KILLED]),
    (attack("poll", || call(libc::SYS_poll, &[0, 0, 0]), OK), [OK, OK]),
    (attack("sendmsg", || call(libc::SYS_sendmsg, &[NONE, 0, 0]), BADF), [KILLED, KILLED]),
];

/// A command to descriptor 0, which is /dev/null.
fn ioctl(command: i64) -> i64 {
    call(libc::SYS_ioctl, &[0, command, 0])
}

fn stat() -> i64 {
    call(libc::SYS_newfstatat, &[CWD, address("/dev/null\0"), 0, 0])
}

fn name() -> i64 {
    call(libc::SYS_prctl, &[libc::PR_SET_NAME.into(), address("x\0")])
}

/// Maps a descriptor that is not open.
fn map(prot: i64, flags: i64) -> i64 {
    call(libc::SYS_mmap, &[0, 4096, prot, flags, NONE, 0])
}

/// Writes to a descriptor that is not open.
fn write(bytes: i64) -> i64 {
    call(libc::SYS_write, &[NONE, address("123456789"), bytes])
}
