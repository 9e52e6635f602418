//! The dependency table of the architecture, held against what cargo resolves. Every rule is a
//! function over a small graph, and each is shown a graph that breaks it.
#![forbid(unsafe_code)]

mod graph;
mod resolve;

use std::collections::BTreeSet;

use graph::{Graph, drawn};
use resolve::{graph, list, metadata, text, tree};
use serde_json::Value;

/// What each crate of the workspace may use of the others; tests may use all libraries but no
/// engine or broker, which they know as binaries only.
const TABLE: [(&str, &[&str]); 7] = [
    ("core-wire", &[]),
    ("core-ring", &[]),
    ("core-policy", &[]),
    ("core-client", &["core-wire"]),
    ("core-broker", &["core-wire", "core-ring", "core-policy"]),
    ("core-worker", &["core-wire", "core-ring", "core-policy"]),
    ("core-tests", &["core-wire", "core-ring", "core-policy", "core-client"]),
];
/// HTTP and WebSocket stacks: there is no network here, so there is no code for one.
const FORBIDDEN: [&str; 12] = [
    "actix-web",
    "axum",
    "hyper",
    "hyper-util",
    "isahc",
    "reqwest",
    "rocket",
    "tokio-tungstenite",
    "tungstenite",
    "ureq",
    "warp",
    "ws",
];
/// File-system traversal: tolerated in the build of llama.cpp and nowhere else.
const TRAVERSAL: [&str; 5] = ["glob", "globwalk", "ignore", "jwalk", "walkdir"];
/// The one crate whose build may use them.
const TOLERATED: &str = "llama-cpp-sys-2";
/// What an untrusted process must not hold: a runtime with sockets, or the trusted side.
const NOT_IN_WORKER: [&str; 4] = ["tokio", "interprocess", "core-broker", "core-client"];

fn direction(graph: &Graph) -> Vec<String> {
    let ours = |name: &str| TABLE.iter().find(|(known, _)| *known == name);
    let edges = graph.0.iter().flat_map(|(from, to)| to.iter().map(move |(to, _)| (from, to)));
    let wrong = edges.filter(|(from, to)| match (ours(from), ours(to)) {
        (Some((_, may_use)), Some(_)) => from != to && !may_use.contains(&to.as_str()),
        (None, Some(_)) => true,
        (_, None) => false,
    });
    wrong.map(|(from, to)| format!("{from} may not use {to}")).collect()
}

fn forbidden(graph: &Graph) -> Vec<String> {
    let all = graph.0.keys().map(String::as_str).filter(|name| FORBIDDEN.contains(name));
    let reached = graph
        .reached(TABLE.map(|(name, _)| name), TOLERATED)
        .into_iter()
        .filter(|name| TRAVERSAL.contains(name));
    all.chain(reached).map(str::to_owned).collect()
}

#[test]
fn the_direction_is_that_of_the_table() {
    let graph = graph(&metadata());
    let known = TABLE.iter().filter(|(name, _)| graph.0.contains_key(*name));
    assert_eq!(known.count(), TABLE.len(), "a crate of the table is not in the workspace");
    assert_eq!(direction(&graph), Vec::<String>::new());
    assert_eq!(direction(&drawn("core-broker > core-wire")), Vec::<String>::new());
    assert_eq!(direction(&drawn("core-wire > core-broker")).len(), 1);
    assert_eq!(direction(&drawn("core-tests > core-worker\nlibc > core-ring")).len(), 2);
}

#[test]
fn forbidden_crates_are_absent() {
    let graph = graph(&metadata());
    assert!(graph.0.contains_key("walkdir"), "the build of llama.cpp uses it: the walk is broken");
    assert_eq!(forbidden(&graph), Vec::<String>::new());
    let tolerated = "core-worker > llama-cpp-sys-2\nllama-cpp-sys-2 >build walkdir";
    assert_eq!(forbidden(&drawn(tolerated)), Vec::<String>::new());
    assert_eq!(forbidden(&drawn("core-tests > walkdir")), ["walkdir"]);
    assert_eq!(forbidden(&drawn("core-policy >build glob")), ["glob"]);
    assert_eq!(forbidden(&drawn("core-client > a\na > hyper")), ["hyper"]);
}

#[test]
fn bincode_is_pinned_and_named_by_one_crate() {
    let metadata = metadata();
    let ours = list(&metadata, "packages").iter();
    let ours = ours.filter(|package| TABLE.iter().any(|(name, _)| package["name"] == *name));
    let uses = ours.flat_map(|package| {
        let uses = list(package, "dependencies").iter();
        let uses = uses.filter(|dep| dep["name"] == "bincode");
        uses.map(|dep| (text(package, "name"), text(dep, "req")))
    });
    assert_eq!(uses.collect::<Vec<_>>(), [("core-wire", "=2.0.1")]);
}

#[test]
fn llama_is_pinned_and_without_its_http_layer() {
    let metadata = metadata();
    let node = list(&metadata["resolve"], "nodes").iter();
    let node = node.filter(|node| text(node, "id").contains("llama-cpp-2@0.1.160"));
    let features: Vec<&Value> = node.flat_map(|node| list(node, "features")).collect();
    assert_eq!(features, ["dynamic-backends", "openmp"]);
}

#[test]
fn the_worker_has_no_runtime_and_no_trusted_code() {
    let (worker, broker) = (tree("core-worker"), tree("core-broker"));
    assert!(worker.contains("llama-cpp-2"), "the tree is not the worker's: {worker:?}");
    let held =
        |tree: &BTreeSet<String>| NOT_IN_WORKER.iter().filter(|n| tree.contains(**n)).count();
    assert_eq!(held(&worker), 0, "{worker:?}");
    assert_eq!(held(&broker), 3, "the broker is the sample that this test must refuse");
}

#[test]
fn the_wire_does_no_input_or_output() {
    let wire = tree("core-wire");
    let effects = ["tokio", "nix", "interprocess", "memfd", "rustix", "mio"];
    let held: Vec<_> = effects.iter().filter(|name| wire.contains(**name)).collect();
    assert!(held.is_empty(), "core-wire uses {held:?}");
}
