//! All three profiles together: the checks across files, and the Rust source that carries them.

use std::fmt::Write;

use crate::schema::Policy;
use crate::{check, compile};

/// The profiles after every check.
pub(crate) struct Profiles {
    serve: Policy,
    load: Policy,
    broker: Policy,
}

/// Calls that boot makes before LOAD, beyond what LOAD lists. The broker's filter is inherited, so
/// it must have them; a mistake would show only when a worker starts.
#[rustfmt::skip]
const BOOT: &[&str] = &[
    "execve", "setsid", "umask", "dup3", "close_range", "access", "readlink", "getppid", "getcwd",
    "unshare", "capget", "capset", "landlock_create_ruleset", "landlock_add_rule",
    "landlock_restrict_self", "mseal", "memfd_create", "getdents64", "fstat", "set_tid_address",
];

impl Profiles {
    /// Checks each profile and how they nest.
    pub(crate) fn checked(serve: Policy, load: Policy, broker: Policy) -> Result<Self, String> {
        for policy in [&serve, &load, &broker] {
            check::policy(policy)?;
        }
        check::kills(&serve)?;
        check::kills(&load)?;
        if load.includes.as_deref() != Some(serve.profile.as_str()) {
            return Err("worker-load must include worker-serve: SERVE is stacked on it".into());
        }
        let load = compile::merge(&load, &serve);
        check::count(&serve, check::SERVE_MAX)?;
        check::count(&load, check::LOAD_MAX)?;
        check::contains(&broker, &load)?;
        boot(&broker)?;
        Ok(Self { serve, load, broker })
    }

    /// The source of the module that the crate includes.
    pub(crate) fn source(&self) -> Result<String, String> {
        let mut source = format!(
            "/// Stands for the pid of the installing process.\n\
             const PID_SLOT: u32 = {:#x};\n",
            compile::PID_SLOT
        );
        for (name, policy) in
            [("SERVE", &self.serve), ("LOAD", &self.load), ("BROKER", &self.broker)]
        {
            source += &profile(name, policy)?;
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
    Err(format!("broker lacks {}, which a worker's boot needs", missing.join(", ")))
}

fn profile(name: &str, policy: &Policy) -> Result<String, String> {
    let mut text = format!(
        "/// {}\nstatic {name}: Profile = Profile {{\n    name: {:?},\n    \
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
