//! The GPU profile against the CPU profile: what it adds, that the other has none of it, and what
//! neither ever has.

use core_policy::profile::Profile;
use core_policy::seccomp::{self, Insn, Stage};
use serde_json::Value;

use crate::agree::{NUMBERS, classes, filters};
use crate::bpf::{self, ARCH_X86_64, Call};
use crate::names;
use crate::reading::{self, Reading, Verdict};

const PID: u32 = 31_337;

/// Calls that only the GPU profile has, at each stage.
const ONLY_SERVE: [&str; 4] = ["close", "ioctl", "poll", "read"];
const ONLY_LOAD: [&str; 6] = ["eventfd2", "ioctl", "pipe2", "poll", "prctl", "sched_getaffinity"];
/// What a driver asks when it starts, before LOAD.
const ONLY_BROKER: [&str; 7] = ["bind", "dup", "listen", "socket", "stat", "uname", "unlink"];

fn added(stage: Stage) -> Vec<&'static str> {
    let ours = seccomp::syscalls(stage);
    let theirs = seccomp::syscalls(stage.under(Profile::Gpu));
    assert!(ours.iter().all(|name| theirs.contains(name)), "the GPU profile contains the other");
    theirs.iter().filter(|name| !ours.contains(name)).copied().collect()
}

#[test]
fn the_cpu_profile_has_none_of_what_the_gpu_profile_adds() {
    assert_eq!(added(Stage::Serve), ONLY_SERVE);
    assert_eq!(added(Stage::Load), ONLY_LOAD);
    assert_eq!(added(Stage::Broker), ONLY_BROKER);
}

/// Every command that a GPU rule names kills under the CPU profile, and every other command kills
/// under both.
#[test]
fn a_command_to_a_device_passes_under_the_gpu_profile_alone() {
    for stage in [Stage::Load, Stage::Serve] {
        let cpu = seccomp::programs(stage, PID);
        let gpu = seccomp::programs(stage.under(Profile::Gpu), PID);
        for command in [0xc020_462a, 0xc028_46ff, 37, 75, 0x3000_0001, 0x3000_0002, 0xc040_6400] {
            assert_eq!(ioctl(&cpu, command), Verdict::Kill.answer(), "{command:#x}");
            assert_eq!(ioctl(&gpu, command), Verdict::Allow.answer(), "{command:#x}");
        }
        // Terminals, sockets, files, block devices, loop devices, KVM, TUN, dma-buf heaps.
        for command in [0x5401, 0x5412, 0x5421, 0x8910, 0x4004_6609, 0x1268, 0x4c00, 0xae01] {
            assert_eq!(ioctl(&gpu, command), Verdict::Kill.answer(), "{command:#x}");
        }
        for command in [0x4004_54ca, 0xc018_4800, 0x80, 0x3000_0000, 0x3000_0003] {
            assert_eq!(ioctl(&gpu, command), Verdict::Kill.answer(), "{command:#x}");
        }
    }
}

fn ioctl(programs: &[Vec<Insn>], command: u64) -> u32 {
    let nr = u32::try_from(libc::SYS_ioctl).unwrap();
    bpf::combined(programs, &Call { nr, arch: ARCH_X86_64, args: [9, command, 0, 0, 0, 0] })
}

/// What a worker inherits must let through what its own filters let through.
#[test]
fn the_broker_s_filter_stops_nothing_that_a_worker_on_a_gpu_may() {
    let [serve, load, (broker, _)] = filters(Profile::Gpu);
    let broker = seccomp::programs(broker, PID);
    for (filter, file) in [serve, load] {
        let (programs, reading) = (seccomp::programs(filter, PID), Reading::of(file, PID));
        for nr in 0..NUMBERS {
            for args in classes(nr, &reading) {
                let call = Call { nr, arch: ARCH_X86_64, args };
                let allowed = bpf::combined(&programs, &call) == Verdict::Allow.answer();
                let inherited = bpf::combined(&broker, &call) == Verdict::Allow.answer();
                assert!(!allowed || inherited, "{file}: {call:x?}");
            }
        }
    }
}

#[test]
fn neither_profile_has_what_leads_out() {
    let never = [
        "socket",
        "connect",
        "sendto",
        "sendmsg",
        "execve",
        "execveat",
        "fork",
        "vfork",
        "kill",
        "ptrace",
        "memfd_create",
        "bpf",
        "io_uring_setup",
        "userfaultfd",
        "mkdirat",
        "unlinkat",
        "pwrite64",
        "writev",
        "mlock",
        "setns",
        "unshare",
        "perf_event_open",
        "kcmp",
    ];
    for stage in [Stage::Load, Stage::Serve] {
        let listed = seccomp::syscalls(stage.under(Profile::Gpu));
        for name in never {
            assert!(names::syscall(name).is_some() && !listed.contains(&name), "{name}");
        }
    }
}

#[test]
fn nothing_becomes_executable_under_the_gpu_profile() {
    let load = Reading::of("worker-gpu-load", PID);
    let executable = u64::from(libc::PROT_EXEC.cast_unsigned());
    for nr in [libc::SYS_mmap, libc::SYS_mprotect] {
        for args in classes(u32::try_from(nr).unwrap(), &load) {
            let mut args = args;
            args[2] |= executable;
            assert_eq!(load.verdict(nr, &args), Verdict::Kill, "{nr} {args:x?}");
        }
    }
}

#[test]
fn every_rule_of_the_gpu_profile_has_a_reason() {
    for (_, file) in filters(Profile::Gpu) {
        let json = reading::json(file);
        let answers = json["errno"].as_array().into_iter().flatten();
        let rules = answers.flat_map(|answer| answer["rules"].as_array().unwrap());
        let rules: Vec<&Value> = rules.chain(json["allow"].as_array().unwrap()).collect();
        assert!(!rules.is_empty());
        for rule in rules {
            let reason = rule["reason"].as_str().unwrap_or_default();
            assert!(reason.len() >= crate::check::REASON_LEN_MIN, "{file}: {rule}");
        }
    }
}
