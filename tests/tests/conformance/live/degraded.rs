//! L06: each layer made unavailable. The broker refuses to start, refuses to serve, or names
//! exactly what is missing; never less.

use std::{collections::BTreeSet, fs, os::unix::process::CommandExt};

use core_tests::harness::{Broker, Install, Setup, broker::serve};
use serde_json::Value;

use super::{ensure, life::refused};
use crate::{
    older,
    skip::{needs_root, skip},
    without::Lack,
};

/// What must come of a lack.
enum Then {
    /// The broker does not start: exit 69.
    Refuses,
    /// It serves, and `degraded` has these beside what this machine lacks anyway.
    Names(&'static [&'static str]),
}

const MATRIX: [(Lack, Then); 10] = [
    (Lack::Landlock, Then::Refuses),
    (Lack::NoNewPrivs, Then::Refuses),
    (Lack::Dumpable, Then::Refuses),
    (Lack::Seccomp, Then::Refuses),
    (Lack::Tsync, Then::Refuses),
    (Lack::Seals, Then::Refuses),
    (Lack::Mseal, Then::Names(&["mseal"])),
    (Lack::Mdwe, Then::Names(&["mdwe"])),
    (Lack::NoexecSeal, Then::Names(&["noexec-seal"])),
    (Lack::Unshare, Then::Names(NAMESPACES)),
];

/// What an ordinary user's broker lacks beside that: root's dropped the bounding set before.
const OF_USER: (Lack, &str) = (Lack::Unshare, "caps.bounding");

/// Without namespaces of its own a worker keeps no limit on threads of its own either.
const NAMESPACES: &[&str] =
    &["ns.user", "ns.net", "ns.ipc", "ns.uts", "ns.cgroup", "rlimits.nproc"];

/// Landlock's ABIs below the one of scopes, and one that no kernel here has: what each lacks by
/// name, and that a kernel which promises more than it keeps is not believed.
const ABIS: [(u32, Then); 6] = [
    (1, Then::Names(&["landlock.net", "landlock.scope", "landlock.truncate", "landlock.ioctl"])),
    (2, Then::Names(&["landlock.net", "landlock.scope", "landlock.truncate", "landlock.ioctl"])),
    (3, Then::Names(&["landlock.net", "landlock.scope", "landlock.ioctl"])),
    (4, Then::Names(&["landlock.scope", "landlock.ioctl"])),
    (5, Then::Names(&["landlock.scope"])),
    (99, Then::Refuses),
];

/// Every older Landlock.
pub(super) fn abis() -> Setup<()> {
    needs_root("tracing a broker and its workers")?;
    let whole = degraded(&started(&[])?)?;
    let mut wrong = Vec::new();
    for (abi, then) in ABIS {
        if let Err(error) = one(&older::wrapper(abi)?, &then, &whole) {
            wrong.push(format!("ABI {abi}: {error}"));
        }
    }
    ensure(wrong.is_empty(), || wrong.join("; "))
}

/// The whole matrix.
pub(super) fn matrix() -> Setup<()> {
    let whole = degraded(&started(&[])?)?;
    let mut wrong = Vec::new();
    for (lack, then) in MATRIX {
        let mut whole = whole.clone();
        if lack == OF_USER.0 && !nix::unistd::geteuid().is_root() {
            whole.insert(OF_USER.1.into());
        }
        if let Err(error) = one(&lack.wrapper()?, &then, &whole) {
            wrong.push(format!("{lack:?}: {error}"));
        }
    }
    ensure(wrong.is_empty(), || wrong.join("; "))
}

fn one(wrapper: &[String], then: &Then, whole: &BTreeSet<String>) -> Setup<()> {
    match then {
        Then::Refuses => {
            let install = Install::new()?;
            let (code, said) = refused(serve(&install, wrapper))?;
            ensure(code == 69, || format!("exit {code}: {said}"))
        }
        Then::Names(names) => {
            let found = degraded(&started(wrapper)?)?;
            let expected: BTreeSet<String> =
                whole.iter().cloned().chain(names.iter().map(|name| (*name).into())).collect();
            let more: Vec<_> = found.symmetric_difference(&expected).collect();
            ensure(found == expected, || format!("not exactly: {more:?}"))
        }
    }
}

/// A user namespace in which no further one may be made, as some distributions have it for all.
/// The number is one of that namespace: the machine's own stays what it is.
pub(super) fn no_user_namespaces() -> Setup<()> {
    needs_root("becoming another user")?;
    let whole = degraded(&started(&[])?)?;
    let install = Install::new()?;
    install.add_story()?;
    std::os::unix::fs::chown(install.token_file(), Some(install.uid), None)?;
    let uid = install.uid.to_string();
    let user = ["setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups", "--"];
    let inner = ["unshare", "--user", "--map-current-user", "--keep-caps", "--"];
    let shell = ["/bin/sh", "-c", NO_FURTHER, "sh"];
    let words = |more: &[&str]| -> Vec<String> {
        user.iter().chain(&inner).chain(more).map(|word| (*word).into()).collect()
    };
    let trial = words(&["true"]);
    let trial = std::process::Command::new(&trial[0]).args(&trial[1..]).output()?;
    if !trial.status.success() {
        let said = String::from_utf8_lossy(&trial.stderr).trim().to_owned();
        return skip(format!("util-linux makes no user namespace here: {said}"));
    }
    let broker = Broker::start_behind(&words(&shell), install, &[])?;
    // That namespace has no root either: there a hidden process belongs to nobody.
    ask(&broker, &["load", "story"])?;
    let found = degraded(&broker)?;
    let expected: BTreeSet<String> =
        whole.into_iter().chain(NAMESPACES.iter().map(|name| (*name).into())).collect();
    let more: Vec<_> = found.symmetric_difference(&expected).collect();
    ensure(found == expected, || format!("not exactly: {more:?}"))
}

/// Forbids user namespaces and becomes the broker, which is started as the user that it is to be:
/// the last two of its words would name one.
const NO_FURTHER: &str = "echo 0 > /proc/sys/user/max_user_namespaces || exit 112; \
    exec \"$1\" \"$2\" \"$3\" \"$4\" \"$5\" \"$6\" \"$7\" \"$8\"";

/// No delegated memory cgroup: named, with what stands in its place.
pub(super) fn no_cgroup() -> Setup<()> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let controllers = format!("/sys/fs/cgroup/{path}/cgroup.controllers");
    let delegated = fs::read_to_string(controllers).unwrap_or_default();
    if delegated.split_whitespace().any(|name| name == "memory") {
        return skip("this machine has a memory cgroup that could be delegated");
    }
    let found = degraded(&started(&[])?)?;
    ensure(found.contains("memory.cgroup"), || format!("{found:?}"))
}

fn started(wrapper: &[String]) -> Setup<Broker> {
    let install = Install::new()?;
    install.add_story()?;
    let broker = Broker::start_behind(wrapper, install, &[])?;
    broker.try_load("story")?;
    Ok(broker)
}

/// What `corectl` answers to the broker's own user: in another user namespace that is the only one
/// whom the broker can tell from nobody.
fn ask(broker: &Broker, arguments: &[&str]) -> Setup<Vec<Value>> {
    let mut command = broker.corectl_command(arguments);
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(broker.install.token_file(), Some(broker.install.uid), None)?;
        command.uid(broker.install.uid).gid(broker.install.uid);
    }
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure(output.status.success(), || format!("{arguments:?}: {text}{}", broker.log()))?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// What `status` says of the worker of `story`; `audit` must say the same.
fn degraded(broker: &Broker) -> Setup<BTreeSet<String>> {
    let status = ask(broker, &["status"])?;
    let line = status.first().ok_or("no status")?;
    let worker = &line["workers"][0];
    let sandbox = &worker["sandbox"];
    ensure(sandbox["verified"] == true, || format!("not verified: {sandbox}"))?;
    let list = sandbox["degraded"].as_array().ok_or("no degraded[]")?;
    let told: BTreeSet<String> =
        list.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    let audit = ask(broker, &["audit"])?;
    let process = audit.iter().find(|line| line["pid"] == worker["pid"]);
    let rows = process.and_then(|line| line["rows"].as_array()).ok_or("no audit rows")?;
    let failing = rows.iter().filter(|row| row["required"] == false && row["achieved"] == false);
    let audited: BTreeSet<String> =
        failing.filter_map(|row| row["name"].as_str().map(str::to_owned)).collect();
    ensure(told == audited, || format!("status {told:?}, audit {audited:?}"))?;
    Ok(told)
}

/// What `core-broker probe` must say of a lack before anything is started: its exit code, and a row
/// that is not offered. What only an attempt could tell is not listed.
const PROBED: [(Lack, i32, &str); 7] = [
    (Lack::Landlock, 69, "landlock.filesystem"),
    (Lack::Seccomp, 69, "seccomp.broker"),
    (Lack::Tsync, 69, "seccomp.all-threads"),
    (Lack::Seals, 69, "seals"),
    (Lack::Mseal, 0, "mseal"),
    (Lack::Mdwe, 0, "mdwe"),
    (Lack::NoexecSeal, 0, "noexec-seal"),
];

/// The probe says what is missing, and nothing of what this machine has.
pub(super) fn probed() -> Setup<()> {
    let install = Install::new()?;
    let whole = probe(&install, &[])?;
    ensure(whole.0 == 0, || format!("invalid: this machine itself gives {whole:?}"))?;
    for (lack, code, name) in PROBED {
        let (found, missing) = probe(&install, &lack.wrapper()?)?;
        let told = missing.contains(name) && !whole.1.contains(name);
        ensure(found == code && told, || format!("{lack:?}: exit {found}, {missing:?}"))?;
    }
    Ok(())
}

fn probe(install: &Install, wrapper: &[String]) -> Setup<(i32, BTreeSet<String>)> {
    let broker = install.program("core-broker").to_string_lossy().into_owned();
    let words: Vec<&String> = wrapper.iter().chain([&broker]).collect();
    let mut command = std::process::Command::new(words[0]);
    let output = command.args(&words[1..]).args(["probe", "--json"]).output()?;
    let rows = String::from_utf8(output.stdout)?;
    let rows = rows.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let missing = rows.iter().filter(|row| row["achieved"] != "yes");
    let missing = missing.filter_map(|row| row["name"].as_str().map(str::to_owned)).collect();
    Ok((output.status.code().unwrap_or(-1), missing))
}
