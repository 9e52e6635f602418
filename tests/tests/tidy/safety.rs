//! Rules about unsafe code: only where the style guide allows it, and never without an argument.

use proc_macro2::Span;
use syn::visit::{self, Visit};

use crate::tree::Source;
use crate::{hold, sample};

/// The places where unsafe code may stand: shared memory, the syscall edge of policy, the three
/// lines before an exec, and the one module of the worker that touches llama.cpp. Policy's own
/// process tests make the very calls that its filters must answer.
const ALLOWED: [&str; 7] = [
    "shared/ring/",
    "policy/src/sys.rs",
    "policy/src/sys/",
    "policy/tests/",
    "broker/src/workers/spawn.rs",
    "broker/src/workers/spawn/",
    "worker/src/llama/",
];
/// An argument of fewer characters cannot be one.
const ARGUMENT_CHARS_MIN: usize = 20;
/// Lines above an unsafe block in which its argument must begin: a long one plus a statement that
/// rustfmt broke over several lines.
const ARGUMENT_LINES_MAX: usize = 12;
const MARK: &str = "SAFETY:";

/// Collects where unsafe blocks, impls and functions stand.
#[derive(Default)]
struct Unsafes {
    blocks: Vec<usize>,
    all: Vec<usize>,
}

impl Unsafes {
    fn of(source: &Source) -> Self {
        let file = syn::parse_file(&source.text)
            .unwrap_or_else(|error| panic!("{}: {error}", source.path));
        let mut unsafes = Self::default();
        unsafes.visit_file(&file);
        unsafes
    }

    fn block(&mut self, span: Span) {
        self.blocks.push(span.start().line);
        self.all.push(span.start().line);
    }
}

impl<'ast> Visit<'ast> for Unsafes {
    fn visit_expr_unsafe(&mut self, node: &'ast syn::ExprUnsafe) {
        self.block(node.unsafe_token.span);
        visit::visit_expr_unsafe(self, node);
    }

    fn visit_item_impl(&mut self, node: &'ast syn::ItemImpl) {
        if let Some(token) = &node.unsafety {
            self.block(token.span);
        }
        visit::visit_item_impl(self, node);
    }

    fn visit_signature(&mut self, node: &'ast syn::Signature) {
        if let syn::Safety::Unsafe(token) = &node.safety {
            self.all.push(token.span.start().line);
        }
        visit::visit_signature(self, node);
    }
}

fn only_where_allowed(source: &Source) -> Vec<String> {
    if ALLOWED.iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    let lines = Unsafes::of(source).all;
    lines.iter().map(|line| source.object(*line, "unsafe code has no place here")).collect()
}

fn argued(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let poor = |line: &usize| argument_chars(&lines[..*line]) < ARGUMENT_CHARS_MIN;
    let lines = Unsafes::of(source).blocks.into_iter().filter(poor);
    lines.map(|line| source.object(line, "the SAFETY comment says nothing")).collect()
}

/// Characters of the comment that argues for the last of `lines`; none counts as zero.
fn argument_chars(lines: &[&str]) -> usize {
    let near = &lines[lines.len().saturating_sub(ARGUMENT_LINES_MAX)..];
    let Some(start) = near.iter().rposition(|line| line.contains(MARK)) else {
        return 0;
    };
    let comment = near[start..].iter().map(|line| line.trim_start());
    let comment = comment.take_while(|line| line.starts_with("//"));
    let said: String = comment.map(|line| line.trim_start_matches('/')).collect();
    said.trim_start().trim_start_matches(MARK).trim().chars().count()
}

#[test]
fn unsafe_stands_only_where_it_may() {
    hold(only_where_allowed, &[".rs"]);
    let code = "fn f() { unsafe { g() } }";
    sample(only_where_allowed, "broker/src/main.rs", "fn f() { /* unsafe */ }", code);
    sample(only_where_allowed, "tests/a.rs", "fn f() {}", "unsafe impl Send for A {}");
    let ring = Source::new("shared/ring/src/memory/raw.rs", code);
    assert_eq!(only_where_allowed(&ring), Vec::<String>::new());
}

#[test]
fn every_unsafe_block_is_argued() {
    hold(argued, &[".rs"]);
    let with = |comment: &str| format!("fn f() {{\n    {comment}\n    unsafe {{ g() }}\n}}\n");
    let good = with("// SAFETY: invariant 2 keeps the word alive.");
    sample(argued, "a.rs", &good, &with("// SAFETY: it is fine."));
    let long = with("// SAFETY: the word\n    // lives as long as the mapping.");
    sample(argued, "a.rs", &long, &with("// It is safe because nobody else looks at it."));
}
