//! Compiles policy/seccomp/*.json into BPF programs and fails on a policy that breaks a rule.
//!
//! The same programs are built for debug and release: the policy is data, and no flag changes it.

#[path = "build/check.rs"]
mod check;
#[path = "build/compile.rs"]
mod compile;
#[path = "build/emit.rs"]
mod emit;
#[path = "build/names.rs"]
mod names;
#[path = "build/schema.rs"]
mod schema;

use std::path::Path;
use std::{env, fs, process};

use schema::Policy;

fn main() {
    println!("cargo::rerun-if-changed=seccomp");
    println!("cargo::rerun-if-changed=build");
    if let Err(what) = run() {
        println!("cargo::error={what}");
        process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").map_err(|error| error.to_string())?;
    if arch != "x86_64" || !cfg!(target_arch = "x86_64") {
        return Err(format!("the profiles were measured on x86_64 alone, not on {arch}"));
    }
    let policies: Result<Vec<_>, _> = emit::FILES.iter().map(|(file, _)| read(file)).collect();
    let profiles = emit::Profiles::checked(policies?)?;
    let out = env::var("OUT_DIR").map_err(|error| error.to_string())?;
    let path = Path::new(&out).join("filters.rs");
    fs::write(&path, profiles.source()?).map_err(|error| error.to_string())
}

fn read(profile: &str) -> Result<Policy, String> {
    let path = format!("seccomp/{profile}.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("policy/{path}: {error}"))?;
    let policy: Policy =
        serde_json::from_str(&text).map_err(|error| format!("policy/{path}: {error}"))?;
    if policy.profile != profile {
        return Err(format!("policy/{path}: the profile is called {}", policy.profile));
    }
    Ok(policy)
}
