//! All profiles together: the checks across files, and the Rust source that carries them.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::schema::Policy;
use crate::{check, compile};

/// The files of policy/seccomp without their suffix, and the name of each in the source. A profile
/// includes only those that stand before it.
pub(crate) const FILES: [(&str, &str); 6] = [
    ("worker-serve", "SERVE"),
    ("worker-load", "LOAD"),
    ("broker", "BROKER"),
    ("worker-gpu-serve", "GPU_SERVE"),
    ("worker-gpu-load", "GPU_LOAD"),
    ("broker-gpu", "GPU_BROKER"),
];

/// The profiles after every check, each with the rules of those that it includes.
pub(crate) struct Profiles(BTreeMap<String, Policy>);

/// Calls that boot makes before LOAD, beyond what LOAD lists. The broker's filter is inherited, so
/// it must have them; a mistake would show only when a worker starts.
#[rustfmt::skip]
const BOOT: &[&str] = &[
    "execve", "setsid", "umask", "dup2", "close_range", "access", "readlink", "getppid", "statx",
    "unshare", "capget", "capset", "landlock_create_ruleset", "landlock_add_rule",
    "landlock_restrict_self", "mseal", "getdents64", "set_tid_address", "poll", "pread64",
    "sigaltstack", "sched_getaffinity", "prctl", "prlimit64",
];

/// What a profile must include: a stage is stacked on the one before, and a weaker profile has all
/// of the stronger one.
const INCLUDED: [(&str, &[&str]); 4] = [
    ("worker-load", &["worker-serve"]),
    ("worker-gpu-serve", &["worker-serve"]),
    ("worker-gpu-load", &["worker-load", "worker-gpu-serve"]),
    ("broker-gpu", &["broker", "worker-gpu-load"]),
];

/// Profiles of a worker, and how many calls each may list.
const WORKERS: [(&str, usize); 4] = [
    ("worker-serve", check::SERVE_MAX),
    ("worker-load", check::LOAD_MAX),
    ("worker-gpu-serve", check::SERVE_GPU_MAX),
    ("worker-gpu-load", check::LOAD_GPU_MAX),
];

impl Profiles {
    /// Checks each profile and how they nest; they come in the order of [`FILES`].
    pub(crate) fn checked(policies: Vec<Policy>) -> Result<Self, String> {
        policies.iter().try_for_each(check::policy)?;
        for (name, wanted) in INCLUDED {
            let of = policies.iter().find(|policy| policy.profile == name);
            let includes = of.map(|policy| policy.includes.as_slice()).unwrap_or_default();
            if includes != wanted {
                return Err(format!("{name} must include {}", wanted.join(" and ")));
            }
        }
        let profiles = Self::whole(policies)?;
        for (name, max) in WORKERS {
            check::kills(profiles.of(name)?)?;
            check::count(profiles.of(name)?, max)?;
        }
        for (outer, inner) in [("broker", "worker-load"), ("broker-gpu", "worker-gpu-load")] {
            check::contains(profiles.of(outer)?, profiles.of(inner)?)?;
            boot(profiles.of(outer)?)?;
        }
        Ok(profiles)
    }

    /// Unites each with what it includes.
    fn whole(policies: Vec<Policy>) -> Result<Self, String> {
        let mut whole = Self(BTreeMap::new());
        for policy in policies {
            let mut merged = policy.clone();
            for included in &policy.includes {
                merged = compile::merge(&merged, whole.of(included)?);
            }
            whole.0.insert(policy.profile, merged);
        }
        Ok(whole)
    }

    fn of(&self, name: &str) -> Result<&Policy, String> {
        self.0.get(name).ok_or(format!("{name} is missing, or is included before it stands"))
    }

    /// The source of the module that the crate includes.
    pub(crate) fn source(&self) -> Result<String, String> {
        let mut source = format!(
            "/// Stands for the pid of the installing process.\n\
             const PID_SLOT: u32 = {:#x};\n",
            compile::PID_SLOT
        );
        for (file, name) in FILES {
            source += &profile(name, self.of(file)?)?;
        }
        Ok(source)
    }
}

fn boot(broker: &Policy) -> Result<(), String> {
    let listed = check::syscalls(broker);
    let missing: Vec<_> = BOOT.iter().filter(|name| !listed.contains(**name)).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("{} lacks {}, which a worker's boot needs", broker.profile, missing.join(", ")))
}

fn profile(name: &str, policy: &Policy) -> Result<String, String> {
    let mut text = format!(
        "/// {}\nstatic {name}: Compiled = Compiled {{\n    name: {:?},\n    \
         syscalls: &{:?},\n    layers: &[\n",
        policy.about,
        policy.profile,
        check::syscalls(policy).iter().collect::<Vec<_>>(),
    );
    for layer in compile::layers(policy)? {
        let errno = layer.errno;
        write!(text, "Layer {{ errno: {errno:?}, pid_slots: {}, program: &[", layer.pid_slots)
            .map_err(|error| error.to_string())?;
        for insn in &layer.program {
            let (code, jt, jf, k) = (insn.code, insn.jt, insn.jf, insn.k);
            write!(text, "Insn {{ code: {code}, jt: {jt}, jf: {jf}, k: {k:#x} }}, ")
                .map_err(|error| error.to_string())?;
        }
        text += "] },\n";
    }
    text += "    ],\n};\n";
    Ok(text)
}
