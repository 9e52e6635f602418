//! Who uses whom, by name.

use std::collections::{BTreeMap, BTreeSet};

/// The edges of every crate; an edge says whether it exists only for a build script.
#[derive(Default)]
pub(crate) struct Graph(pub(crate) BTreeMap<String, BTreeSet<(String, bool)>>);

impl Graph {
    pub(crate) fn edges(&self, from: &str) -> impl Iterator<Item = &(String, bool)> {
        self.0.get(from).into_iter().flatten()
    }

    /// Every name that is reached from `start` without entering the build of `tolerated`.
    pub(crate) fn reached<'a>(
        &'a self,
        start: impl IntoIterator<Item = &'a str>,
        tolerated: &str,
    ) -> BTreeSet<&'a str> {
        let mut open: Vec<&str> = start.into_iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            if seen.insert(name) {
                let edges = self.edges(name).filter(|(_, build)| !(name == tolerated && *build));
                open.extend(edges.map(|(to, _)| to.as_str()));
            }
        }
        seen
    }
}

/// A graph from lines of "a > b" and, for build scripts, "a >build b".
pub(crate) fn drawn(lines: &str) -> Graph {
    let mut graph = Graph::default();
    for line in lines.lines() {
        let (from, to) = line.split_once(" >").expect("a line has an arrow");
        let build = to.starts_with("build");
        let to = to.trim_start_matches("build").trim();
        graph.0.entry(to.to_owned()).or_default();
        graph.0.entry(from.trim().to_owned()).or_default().insert((to.to_owned(), build));
    }
    graph
}
