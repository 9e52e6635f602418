//! Mistakes in a policy file that must end the build, each with a sentence about itself.

use serde_json::{Value, json};

use crate::emit::{FILES, Profiles};
use crate::reading;
use crate::schema::Policy;

/// Builds the shipped policies after a change to one of them.
fn built(profile: &str, change: impl Fn(&mut Value)) -> Result<String, String> {
    let policy = |name: &str| -> Result<Policy, String> {
        let mut json = reading::json(name);
        if name == profile {
            change(&mut json);
        }
        serde_json::from_value(json).map_err(|error| error.to_string())
    };
    let policies: Result<Vec<_>, _> = FILES.iter().map(|(file, _)| policy(file)).collect();
    Profiles::checked(policies?)?.source()
}

fn refused(profile: &str, says: &str, change: impl Fn(&mut Value)) {
    let what = built(profile, change).map(drop).expect_err("the mistake must end the build");
    assert!(what.contains(says), "{what:?} does not say {says:?}");
}

fn rules(json: &mut Value) -> &mut Vec<Value> {
    json["allow"].as_array_mut().unwrap()
}

fn rule<'a>(json: &'a mut Value, name: &str) -> &'a mut Value {
    rules(json).iter_mut().find(|rule| rule["syscall"] == name).unwrap()
}

const REASON: &str = "a reason that is long enough";

#[test]
fn the_shipped_policy_builds() {
    assert!(built("", |_| {}).unwrap().contains("static SERVE"));
}

#[test]
fn a_rule_needs_a_reason() {
    let absent = |json: &mut Value| {
        rule(json, "futex").as_object_mut().unwrap().remove("reason");
    };
    refused("worker-serve", "reason", absent);
    refused("worker-serve", "reason", |json| rule(json, "futex")["reason"] = json!("needed"));
    let spaces = |json: &mut Value| rule(json, "futex")["reason"] = json!(" ".repeat(40));
    refused("worker-serve", "reason", spaces);
}

#[test]
fn an_empty_condition_is_no_condition() {
    refused("worker-serve", "empty", |json| rule(json, "mmap")["args"] = json!([]));
    refused("worker-serve", "empty", |json| rule(json, "mmap")["args"] = json!([[]]));
    refused("worker-load", "empty", |json| {
        json["errno"][0]["rules"][0]["args"] = json!([[]]);
    });
}

#[test]
fn names_must_exist() {
    let rename = |json: &mut Value| rule(json, "futex")["syscall"] = json!("fuetx");
    refused("worker-serve", "no such system call", rename);
    let value = |json: &mut Value| rule(json, "write")["args"][0][0]["value"] = json!("LOG");
    refused("worker-serve", "unknown value", value);
    let key = |json: &mut Value| rule(json, "write")["argz"] = json!([]);
    refused("worker-serve", "argz", key);
}

#[test]
fn a_call_is_listed_once() {
    refused("worker-serve", "twice", |json| {
        let copy = rules(json)[0].clone();
        rules(json)[1] = copy;
    });
}

#[test]
fn the_limits_hold() {
    let add = |json: &mut Value, names: &[&str]| {
        let new = names.iter().map(|name| json!({"syscall": name, "reason": REASON}));
        rules(json).extend(new);
    };
    refused("worker-serve", "limit is 20", |json| add(json, &["read"]));
    let many = ["getcwd", "getppid", "getuid", "getgid", "uname", "times", "umask"];
    refused("worker-load", "limit is 42", |json| add(json, &many));
}

#[test]
fn the_broker_contains_boot_and_load() {
    for name in ["rseq", "fadvise64", "unshare", "landlock_restrict_self", "clone3"] {
        refused("broker", name, |json| {
            rules(json).retain(|rule| rule["syscall"] != name);
        });
    }
}

#[test]
fn workers_are_killed_and_load_contains_serve() {
    for profile in ["worker-serve", "worker-load"] {
        refused(profile, "kill_process", |json| json["default"] = json!("errno_eperm"));
    }
    refused("worker-load", "include", |json| json["includes"] = Value::Null);
}

#[test]
fn the_gpu_profile_keeps_to_its_place() {
    for profile in ["worker-gpu-serve", "worker-gpu-load"] {
        refused(profile, "kill_process", |json| json["default"] = json!("errno_eperm"));
        refused(profile, "include", |json| json["includes"] = json!([]));
    }
    refused("worker-gpu-load", "include", |json| json["includes"] = json!("worker-load"));
    refused("broker-gpu", "include", |json| json["includes"] = json!("broker"));
    refused("worker-load", "include", |json| json["includes"] = json!("worker-gpu-serve"));
    let add = |json: &mut Value, names: &[&str]| {
        rules(json).extend(names.iter().map(|name| json!({"syscall": name, "reason": REASON})));
    };
    refused("worker-gpu-serve", "limit is 24", |json| add(json, &["ppoll"]));
    refused("worker-gpu-load", "limit is 44", |json| add(json, &["uname", "kcmp", "getuid"]));
}

#[test]
fn an_errno_needs_a_listed_call() {
    refused("worker-load", "not in `allow`", |json| {
        rules(json).retain(|rule| rule["syscall"] != "clone3");
    });
}

#[test]
fn an_int_has_32_bits_and_a_pid_is_compared_whole() {
    refused("worker-serve", "fit", |json| {
        rule(json, "write")["args"][0][0]["value"] = json!("0x100000002");
    });
    refused("worker-serve", "@pid", |json| {
        rule(json, "tgkill")["args"][0][0]["op"] = json!("at_most");
    });
    refused("worker-serve", "argument 6", |json| {
        rule(json, "write")["args"][0][0]["arg"] = json!(6);
    });
}
