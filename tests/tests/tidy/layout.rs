//! Rules about where things are: the fixed top level, and modules that this project must not have.

use std::collections::BTreeSet;
use std::fs;

use crate::tree::{Source, root};
use crate::{hold, sample};

/// Everything that is visible at the top, no more and no less.
const TOP: [&str; 11] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "broker",
    "policy",
    "shared",
    "tests",
    "worker",
];
/// What a build leaves there.
const BUILT: &str = "target";
/// Concerns of Control, which must not creep in here as modules of a crate.
const FORBIDDEN: [&str; 5] = ["auth", "vault", "synapse", "plugins", "network"];

/// A forbidden module, by its file, by its folder, or declared in a crate's root.
fn forbidden_module(source: &Source) -> Vec<String> {
    let parts: Vec<&str> = source.path.split('/').collect();
    let Some(src) = parts.iter().position(|part| *part == "src") else {
        return Vec::new();
    };
    let by_path = parts.get(src + 1).is_some_and(|part| is_forbidden(part));
    let is_root = matches!(parts[src + 1..], ["lib.rs" | "main.rs"]);
    let declared = |item: &syn::Item| match item {
        syn::Item::Mod(module) => is_forbidden(&module.ident.to_string()),
        _ => false,
    };
    let file = syn::parse_file(&source.text).unwrap_or_else(|e| panic!("{}: {e}", source.path));
    let by_name = is_root && file.items.iter().any(declared);
    let objection = || source.object(1, "a crate has no module of this name");
    (by_path || by_name).then(objection).into_iter().collect()
}

fn is_forbidden(name: &str) -> bool {
    FORBIDDEN.contains(&name.trim_end_matches(".rs"))
}

#[test]
fn no_crate_has_a_forbidden_module() {
    hold(forbidden_module, &[".rs"]);
    sample(forbidden_module, "broker/src/main.rs", "mod ipc { mod auth {} }", "mod auth {}");
    let at = |path: &str| forbidden_module(&Source::new(path, "")).len();
    assert_eq!((at("broker/src/ipc/auth.rs"), at("shared/wire/src/handshake.rs")), (0, 0));
    assert_eq!((at("broker/src/auth.rs"), at("broker/src/network/mod.rs")), (1, 1));
}

/// The one file that may name the codec's crate: it is unmaintained, so it stays replaceable.
const CODEC: &str = "shared/wire/src/codec.rs";

fn codec_named(source: &Source) -> Vec<String> {
    let numbered = (1..).zip(source.text.lines());
    let named = numbered.filter(|(_, line)| {
        let code = line.split("//").next().unwrap_or_default();
        source.path != CODEC && code.contains(concat!("bin", "code::"))
    });
    named.map(|(n, _)| source.object(n, "only one file names this crate")).collect()
}

#[test]
fn the_codec_is_named_in_one_file() {
    hold(codec_named, &[".rs"]);
    let code = concat!("use bin", "code::config;");
    sample(codec_named, "shared/wire/src/frame.rs", &format!("// {code}"), code);
    assert_eq!(codec_named(&Source::new(CODEC, code)), Vec::<String>::new());
}

/// What is at the top but should not be, and what should be but is not.
fn difference(found: &BTreeSet<String>) -> Vec<String> {
    let wanted: BTreeSet<String> = TOP.map(str::to_owned).into();
    found.symmetric_difference(&wanted).cloned().collect()
}

#[test]
fn the_top_level_is_the_fixed_list() {
    let entries = fs::read_dir(root()).expect("the root can be read");
    let names = entries.map(|entry| entry.expect("an entry can be read").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let found: BTreeSet<String> =
        names.filter(|name| !name.starts_with('.') && name != BUILT).collect();
    assert_eq!(difference(&found), Vec::<String>::new());
    let mut sample: BTreeSet<String> = TOP.map(str::to_owned).into();
    assert_eq!(difference(&sample), Vec::<String>::new());
    sample.remove("LICENSE");
    sample.insert("docs".to_owned());
    assert_eq!(difference(&sample), ["LICENSE", "docs"]);
}
