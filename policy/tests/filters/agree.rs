//! Both sides must agree on every call.

use core_policy::profile::Profile;
use core_policy::seccomp::{self, Filter, Insn, Stage};

use crate::bpf::{self, ARCH_I386, ARCH_X86_64, Call, X32};
use crate::reading::{Reading, Test, Verdict};

/// Calls beyond the last one of any kernel today (Linux 6.18 ends at 469).
pub(crate) const NUMBERS: u32 = 600;
/// A pid for `@pid`, different from every constant of the policy.
const PID: u32 = 31_337;

/// The filters of a profile, each with the name of its file.
pub(crate) fn filters(profile: Profile) -> [(Filter, &'static str); 3] {
    let files = match profile {
        Profile::Cpu => ["worker-serve", "worker-load", "broker"],
        Profile::Gpu => ["worker-gpu-serve", "worker-gpu-load", "broker-gpu"],
    };
    let [serve, load, broker] = files;
    [(Stage::Serve, serve), (Stage::Load, load), (Stage::Broker, broker)]
        .map(|(stage, file)| (stage.under(profile), file))
}

/// All six.
fn all() -> impl Iterator<Item = (Filter, &'static str)> {
    [Profile::Cpu, Profile::Gpu].into_iter().flat_map(filters)
}

#[test]
fn interpreter_and_reading_agree_on_every_call() {
    for (stage, profile) in all() {
        let programs = seccomp::programs(stage, PID);
        let reading = Reading::of(profile, PID);
        let mut compared = 0_u64;
        for nr in 0..NUMBERS {
            for args in classes(nr, &reading) {
                let verdict = reading.verdict(i64::from(nr), &args);
                let call = Call { nr, arch: ARCH_X86_64, args };
                let answer = bpf::combined(&programs, &call);
                assert_eq!(answer, verdict.answer(), "{profile} {call:x?} {verdict:?}");
                compared += 1;
            }
        }
        println!("{profile}: {compared} calls agree");
        assert!(compared > u64::from(NUMBERS));
    }
}

/// The comparison must be able to fail: every comparison of SERVE with a wrong constant is noticed.
#[test]
fn every_changed_constant_is_noticed() {
    let reading = Reading::of("worker-serve", PID);
    let shipped = seccomp::programs(Stage::Serve, PID);
    let jumps = shipped[0].iter().enumerate().filter(|(_, insn)| insn.code == 0x15);
    let mut mutants = 0;
    for (place, insn) in jumps {
        let mut programs = shipped.clone();
        programs[0][place].k = insn.k ^ 0x1000_0000;
        assert!(!agrees(&programs, &reading), "instruction {place} of SERVE can be changed");
        mutants += 1;
    }
    println!("{mutants} mutants of SERVE, all noticed");
    assert!(mutants > 20);
}

fn agrees(programs: &[Vec<Insn>], reading: &Reading) -> bool {
    (0..NUMBERS).all(|nr| {
        classes(nr, reading).into_iter().all(|args| {
            let answer = bpf::combined(programs, &Call { nr, arch: ARCH_X86_64, args });
            answer == reading.verdict(i64::from(nr), &args).answer()
        })
    })
}

#[test]
fn other_abis_get_nothing() {
    for (stage, profile) in all() {
        let programs = seccomp::programs(stage, PID);
        let reading = Reading::of(profile, PID);
        for nr in 0..NUMBERS {
            for args in classes(nr, &reading) {
                let x32 = bpf::combined(&programs, &Call { nr: nr | X32, arch: ARCH_X86_64, args });
                let default = reading.default.unwrap().answer();
                assert_eq!(x32, default, "{profile}: x32 call {nr}");
                let i386 = bpf::combined(&programs, &Call { nr, arch: ARCH_I386, args });
                assert_eq!(i386, Verdict::Kill.answer(), "{profile}: i386 call {nr}");
            }
        }
    }
}

#[test]
fn the_pid_in_a_program_is_the_one_that_was_asked_for() {
    let abort = |tgid: u64, signal: u64| Call {
        nr: u32::try_from(libc::SYS_tgkill).unwrap(),
        arch: ARCH_X86_64,
        args: [tgid, 1, signal, 0, 0, 0],
    };
    let stages = [Stage::Serve, Stage::Load];
    let both = [Profile::Cpu, Profile::Gpu]
        .into_iter()
        .flat_map(|profile| stages.map(|stage| stage.under(profile)));
    for stage in both {
        let programs = seccomp::programs(stage, PID);
        let answer = |tgid, signal| bpf::combined(&programs, &abort(tgid, signal));
        assert_eq!(answer(PID.into(), 6), Verdict::Allow.answer());
        assert_eq!(answer(PID.into(), 9), Verdict::Kill.answer());
        assert_eq!(answer(u64::from(PID) + 1, 6), Verdict::Kill.answer());
        assert_eq!(answer(0x7fff_c0de, 6), Verdict::Kill.answer());
    }
}

#[test]
fn a_thread_is_started_with_these_flags_and_no_others() {
    let programs = seccomp::programs(Stage::Load, PID);
    let thread = 0x3d_0f00_u64;
    let answer = |flags| {
        let nr = u32::try_from(libc::SYS_clone).unwrap();
        bpf::combined(&programs, &Call { nr, arch: ARCH_X86_64, args: [flags, 0, 0, 0, 0, 0] })
    };
    assert_eq!(answer(thread), Verdict::Allow.answer());
    for bit in 0..64 {
        assert_eq!(answer(thread ^ (1 << bit)), Verdict::Kill.answer(), "bit {bit}");
    }
}

/// Arguments worth trying for a call: around every number that its rules name, one bit away from
/// each, and with dirt in the upper half. A call without conditions gets two.
pub(crate) fn classes(nr: u32, reading: &Reading) -> Vec<[u64; 6]> {
    let mut all = vec![[0; 6], [u64::MAX; 6]];
    let errno = reading.errno.iter().filter_map(|(_, rules)| rules.get(&i64::from(nr)));
    let alternatives = reading.allow.get(&i64::from(nr)).into_iter().chain(errno).flatten();
    let mut bases: Vec<[u64; 6]> = alternatives.map(|tests| satisfying(tests)).collect();
    if !bases.is_empty() {
        bases.push([0; 6]);
    }
    all.extend(&bases);
    for base in &bases {
        for arg in 0..6 {
            all.extend((0..64).map(|bit| changed(base, arg, base[arg] ^ (1 << bit))));
            let near = [base[arg].wrapping_add(1), base[arg].wrapping_sub(1)];
            all.extend(near.map(|value| changed(base, arg, value)));
        }
    }
    all
}

fn satisfying(tests: &[Test]) -> [u64; 6] {
    let mut base = [0; 6];
    for test in tests {
        base[test.arg] = test.value;
    }
    base
}

fn changed(base: &[u64; 6], arg: usize, value: u64) -> [u64; 6] {
    let mut args = *base;
    args[arg] = value;
    args
}
