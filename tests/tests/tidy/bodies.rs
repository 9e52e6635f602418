//! Rules about function bodies: length in lines of code, depth of control flow.
//!
//! A line of code is a line that a token touches; comments and blank lines are not tokens. The
//! count runs from the signature to the closing brace. Depth counts `if`, `match`, `for`, `while`
//! and `loop`; an `else if` continues its `if`, a closure continues its function. Code that is the
//! argument of a macro is counted as lines but is opaque to depth.

use std::collections::HashSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::tree::Source;
use crate::{hold, sample};

/// Lines of code of one function.
const FUNCTION_LINES_MAX: usize = 40;
/// Control-flow levels inside one body.
const DEPTH_MAX: usize = 3;

fn parse(source: &Source) -> syn::File {
    syn::parse_file(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.path))
}

fn function_length(source: &Source) -> Vec<String> {
    let mut functions = Functions::default();
    functions.visit_file(&parse(source));
    let long = functions.0.into_iter().filter(|f| f.lines > FUNCTION_LINES_MAX);
    long.map(|f| source.object(f.line, &format!("{} has {} lines", f.name, f.lines))).collect()
}

fn nesting(source: &Source) -> Vec<String> {
    let mut functions = Functions::default();
    functions.visit_file(&parse(source));
    let deep = functions.0.into_iter().filter(|f| f.depth > DEPTH_MAX);
    deep.map(|f| source.object(f.line, &format!("{} nests {} deep", f.name, f.depth))).collect()
}

/// What is measured of one function.
struct Function {
    name: String,
    line: usize,
    lines: usize,
    depth: usize,
}

#[derive(Default)]
struct Functions(Vec<Function>);

impl Functions {
    fn measure(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let mut lines = HashSet::new();
        touched(signature.to_token_stream(), &mut lines);
        touched(body.to_token_stream(), &mut lines);
        let mut depth = Depth::default();
        depth.visit_block(body);
        self.0.push(Function {
            name: signature.ident.to_string(),
            line: signature.ident.span().start().line,
            lines: lines.len(),
            depth: depth.deepest,
        });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.measure(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// Collects the lines that tokens touch; a string over several lines touches them all.
fn touched(tokens: TokenStream, lines: &mut HashSet<usize>) {
    for token in tokens {
        if let TokenTree::Group(group) = &token {
            lines.insert(group.span_open().start().line);
            lines.insert(group.span_close().end().line);
            touched(group.stream(), lines);
        } else {
            lines.extend(token.span().start().line..=token.span().end().line);
        }
    }
}

#[derive(Default)]
struct Depth {
    now: usize,
    deepest: usize,
    else_of: HashSet<(usize, usize)>,
}

impl Depth {
    fn within(&mut self, inner: impl FnOnce(&mut Self)) {
        self.now += 1;
        self.deepest = self.deepest.max(self.now);
        inner(self);
        self.now -= 1;
    }
}

fn place(node: &impl Spanned) -> (usize, usize) {
    let start = node.span().start();
    (start.line, start.column)
}

impl<'ast> Visit<'ast> for Depth {
    fn visit_expr(&mut self, node: &'ast syn::Expr) {
        let counts = match node {
            syn::Expr::If(_) => !self.else_of.contains(&place(node)),
            syn::Expr::Match(_) | syn::Expr::Loop(_) => true,
            syn::Expr::ForLoop(_) | syn::Expr::While(_) => true,
            _ => false,
        };
        match counts {
            true => self.within(|depth| visit::visit_expr(depth, node)),
            false => visit::visit_expr(self, node),
        }
    }

    fn visit_expr_if(&mut self, node: &'ast syn::ExprIf) {
        if let Some((_, other)) = &node.else_branch {
            self.else_of.insert(place(other.as_ref()));
        }
        visit::visit_expr_if(self, node);
    }

    fn visit_item(&mut self, _: &'ast syn::Item) {
        // A function inside a function is measured by itself.
    }
}

#[test]
fn functions_are_short() {
    hold(function_length, &[".rs"]);
    let body = |n: usize| format!("fn f() {{\n{}}}\n", "    // why\n\n    g();\n".repeat(n));
    sample(function_length, "a.rs", &body(38), &body(39));
    let method = |n: usize| format!("impl A {{ {} }}", body(n));
    sample(function_length, "a.rs", &method(38), &method(39));
}

#[test]
fn bodies_are_flat() {
    hold(nesting, &[".rs"]);
    let flat = "fn f() { for a in b { if c { while d { g() } } } }";
    sample(nesting, "a.rs", flat, &flat.replace("g()", "loop {}"));
    let chain = "fn f() { loop { if a { g() } else if b { for x in y { h() } } else { g() } } }";
    sample(nesting, "a.rs", chain, &chain.replace("h()", "match z {}"));
    let closure = "fn f() { a.map(|b| { if c { match d { _ => loop {} } } }) }";
    sample(nesting, "a.rs", closure, &closure.replace("loop {}", "loop { if e {} }"));
}
