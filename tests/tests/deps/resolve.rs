//! What cargo resolves, asked without touching the network.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::graph::Graph;

fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .expect("cargo can be started");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {complaint}\nrun `cargo fetch` first");
    output.stdout
}

/// What cargo resolves for this platform, all features and development dependencies included.
pub(crate) fn metadata() -> Value {
    let platform = "x86_64-unknown-linux-gnu";
    let arguments = ["metadata", "--format-version", "1", "--filter-platform", platform];
    serde_json::from_slice(&cargo(&arguments)).expect("cargo prints JSON")
}

pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no list {key} in {value}"))
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value}"))
}

pub(crate) fn graph(metadata: &Value) -> Graph {
    let packages = list(metadata, "packages");
    let names: BTreeMap<&str, &str> =
        packages.iter().map(|package| (text(package, "id"), text(package, "name"))).collect();
    let mut graph = Graph::default();
    for node in list(&metadata["resolve"], "nodes") {
        let edges = list(node, "deps").iter().map(|dep| {
            let build = list(dep, "dep_kinds").iter().all(|kind| kind["kind"] == "build");
            (names[text(dep, "pkg")].to_owned(), build)
        });
        // Two versions of one crate share a name: the union of their edges is what counts.
        graph.0.entry(names[text(node, "id")].to_owned()).or_default().extend(edges);
    }
    graph
}

/// Names in `cargo tree`, which resolves features for one crate alone.
pub(crate) fn tree(of: &str) -> BTreeSet<String> {
    let listed = cargo(&["tree", "--package", of, "--edges", "normal", "--prefix", "none"]);
    let listed = String::from_utf8(listed).expect("cargo prints UTF-8");
    listed.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}
