//! A kernel that lacks something, played by a seccomp filter around the broker: this program starts
//! itself again as a wrapper, installs the filter and becomes the broker.

use std::{
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use core_tests::harness::Setup;
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// The first argument of a wrapper; then the lack's name, then the command.
const WRAP: &str = "--without";

/// What the kernel is to lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// Landlock's three calls are unknown.
    Landlock,
    /// unshare is forbidden.
    Unshare,
    /// Filters cannot be set on all threads at once.
    Tsync,
    /// No filter can be installed.
    Seccomp,
    /// mseal is unknown.
    Mseal,
    /// `PR_SET_MDWE` and `PR_GET_MDWE` are unknown.
    Mdwe,
    /// `MFD_NOEXEC_SEAL` is unknown.
    NoexecSeal,
    /// `PR_SET_NO_NEW_PRIVS` fails.
    NoNewPrivs,
    /// `PR_SET_DUMPABLE` fails.
    Dumpable,
    /// Seals cannot be added.
    Seals,
}

const ALL: [Lack; 10] = [
    Lack::Landlock,
    Lack::Unshare,
    Lack::Tsync,
    Lack::Seccomp,
    Lack::Mseal,
    Lack::Mdwe,
    Lack::NoexecSeal,
    Lack::NoNewPrivs,
    Lack::Dumpable,
    Lack::Seals,
];

/// One refused call: its number, and a value of an argument for which alone it is refused, compared
/// under a mask.
type Refused = (i64, Option<(u8, u64, u64)>);

impl Lack {
    /// The program and first arguments that go in front of a command.
    pub(crate) fn wrapper(self) -> Setup<Vec<String>> {
        let own = std::env::current_exe()?.to_string_lossy().into_owned();
        Ok(vec![own, WRAP.into(), format!("{self:?}")])
    }

    fn errno(self) -> i32 {
        match self {
            Self::Landlock | Self::Mseal => libc::ENOSYS,
            Self::Unshare | Self::Seals => libc::EPERM,
            Self::Tsync
            | Self::Seccomp
            | Self::Mdwe
            | Self::NoexecSeal
            | Self::NoNewPrivs
            | Self::Dumpable => libc::EINVAL,
        }
    }

    fn refused(self) -> Vec<Refused> {
        let option = |number: i32| {
            let number = u64::from(number.unsigned_abs());
            (libc::SYS_prctl, Some((0, u64::from(u32::MAX), number)))
        };
        let whole = |call| (call, None);
        match self {
            Self::Landlock => vec![whole(444), whole(445), whole(446)],
            Self::Unshare => vec![whole(libc::SYS_unshare)],
            // SECCOMP_FILTER_FLAG_TSYNC.
            Self::Tsync => vec![(libc::SYS_seccomp, Some((1, 1, 1)))],
            Self::Seccomp => vec![(libc::SYS_seccomp, Some((0, u64::from(u32::MAX), 1)))],
            Self::Mseal => vec![whole(MSEAL)],
            Self::Mdwe => vec![option(libc::PR_SET_MDWE), option(libc::PR_GET_MDWE)],
            Self::NoexecSeal => vec![(libc::SYS_memfd_create, Some((1, 8, 8)))],
            Self::NoNewPrivs => vec![option(libc::PR_SET_NO_NEW_PRIVS)],
            Self::Dumpable => vec![option(libc::PR_SET_DUMPABLE)],
            Self::Seals => vec![(libc::SYS_fcntl, Some((1, u64::from(u32::MAX), ADD_SEALS)))],
        }
    }

    fn filter(self) -> Setup<BpfProgram> {
        let mut rules = std::collections::BTreeMap::<i64, Vec<SeccompRule>>::new();
        for (call, when) in self.refused() {
            let rules = rules.entry(call).or_default();
            if let Some((argument, mask, value)) = when {
                let operator = SeccompCmpOp::MaskedEq(mask);
                let length = SeccompCmpArgLen::Dword;
                let condition = SeccompCondition::new(argument, length, operator, value)?;
                rules.push(SeccompRule::new(vec![condition])?);
            }
        }
        let errno = SeccompAction::Errno(self.errno().unsigned_abs());
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, errno, TargetArch::x86_64)?;
        Ok(BpfProgram::try_from(filter)?)
    }
}

/// `mseal`, Linux 6.10, and `F_ADD_SEALS` of fcntl(2).
const MSEAL: i64 = 462;
const ADD_SEALS: u64 = 1033;

/// Becomes the wrapped command, when this process was started to; how to end when it cannot.
pub(crate) fn wrapped() -> Option<ExitCode> {
    let mut words = std::env::args().skip(1);
    if words.next()? != WRAP {
        return None;
    }
    let name = words.next()?;
    let lack = ALL.into_iter().find(|lack| format!("{lack:?}") == name)?;
    let rest: Vec<String> = words.collect();
    let error = match lack.filter().map(|filter| seccompiler::apply_filter(&filter)) {
        Ok(Ok(())) => {
            let (program, arguments) = rest.split_first()?;
            Command::new(program).args(arguments).exec().to_string()
        }
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    println!("{name}: {error}");
    Some(ExitCode::from(FAILED))
}

/// An exit code that no broker has.
const FAILED: u8 = 111;
