//! An interpreter of classic BPF, written from the kernel's documentation and not from seccompiler.

use core_policy::seccomp::Insn;

/// What the kernel shows to a filter (linux/seccomp.h, `struct seccomp_data`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) nr: u32,
    pub(crate) arch: u32,
    pub(crate) args: [u64; 6],
}

/// x86-64 (linux/audit.h).
pub(crate) const ARCH_X86_64: u32 = 0xc000_003e;
/// 32-bit x86, which IA32 emulation runs.
pub(crate) const ARCH_I386: u32 = 0x4000_0003;
/// Bit that marks a call of the x32 ABI.
pub(crate) const X32: u32 = 0x4000_0000;

/// The strictest answer of all programs, as the kernel compares them: the action as a signed
/// number.
pub(crate) fn combined(programs: &[Vec<Insn>], call: &Call) -> u32 {
    let answers = programs.iter().map(|program| run(program, call));
    answers.min_by_key(|answer| (answer & 0xffff_0000).cast_signed()).expect("a program")
}

/// Runs one program.
pub(crate) fn run(program: &[Insn], call: &Call) -> u32 {
    let (mut at, mut accumulator) = (0, 0_u32);
    loop {
        let insn = program[at];
        at += 1;
        let jump = |taken: bool| usize::from(if taken { insn.jt } else { insn.jf });
        match insn.code {
            0x20 => accumulator = load(call, insn.k),
            0x54 => accumulator &= insn.k,
            0x05 => at += insn.k as usize,
            0x15 => at += jump(accumulator == insn.k),
            0x25 => at += jump(accumulator > insn.k),
            0x35 => at += jump(accumulator >= insn.k),
            0x45 => at += jump(accumulator & insn.k != 0),
            0x06 => return insn.k,
            code => panic!("instruction {code:#x} is not in the subset that seccomp allows"),
        }
    }
}

fn load(call: &Call, offset: u32) -> u32 {
    match offset {
        0 => call.nr,
        4 => call.arch,
        16..64 if offset.is_multiple_of(4) => {
            let bytes: Vec<u8> = call.args.iter().flat_map(|arg| arg.to_le_bytes()).collect();
            let place = offset as usize - 16;
            u32::from_le_bytes(bytes[place..place + 4].try_into().expect("four bytes"))
        }
        _ => panic!("load at {offset}"),
    }
}
