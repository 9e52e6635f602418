//! Raw calls of the attacks, past every library.

use std::arch::asm;

/// A system call by number, with the kernel's own answer: minus errno, or a result.
pub(crate) fn call(number: i64, args: &[i64]) -> i64 {
    let arg = |place: usize| args.get(place).copied().unwrap_or(0);
    let result: i64;
    // SAFETY: an attack may do anything; the process exists for it alone, and the registers that
    // the kernel changes are declared.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") arg(0),
            in("rsi") arg(1),
            in("rdx") arg(2),
            in("r10") arg(3),
            in("r8") arg(4),
            in("r9") arg(5),
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// A 32-bit call by the old gate, which IA32 emulation serves in a 64-bit process.
pub(crate) fn call_i386(number: i32) -> i64 {
    let result: i64;
    // SAFETY: the calls that are used take no arguments; rax alone carries the result.
    unsafe {
        asm!(
            "int 0x80",
            inlateout("rax") i64::from(number) => result,
            lateout("r8") _,
            lateout("r9") _,
            lateout("r10") _,
            lateout("r11") _,
        );
    }
    result
}

/// The address of a constant, as an argument.
pub(crate) fn address<T: ?Sized>(value: &T) -> i64 {
    std::ptr::from_ref(value).cast::<u8>().addr().cast_signed() as i64
}

/// fork by clone, with the child leaving at once.
pub(crate) fn fork() -> i64 {
    let pid = call(libc::SYS_clone, &[i64::from(libc::SIGCHLD)]);
    if pid == 0 {
        call(libc::SYS_exit_group, &[0]);
    }
    pid
}

/// clone3 with the smallest structure, so that only its existence is asked for.
pub(crate) fn clone3() -> i64 {
    call(libc::SYS_clone3, &[0, 0])
}
