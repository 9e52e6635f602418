pub(crate) mod computing;

use std::path::Path;

use super::{
    VariantError,
    log::{LINE_BYTES_MAX, Line},
    score_variant,
};

fn line(text: &[u8], discreet: bool) -> String {
    let mut line = Line::new("error");
    line.text(text, discreet);
    let line = String::from_utf8(line.finish().to_vec()).unwrap();
    line.strip_suffix('\n').unwrap().to_owned()
}

#[test]
fn a_line_is_printable_and_short() {
    assert_eq!(line(b"f: no\x1b[2J\n", false), "llama.cpp error: f: no?[2J");
    let long = line(&[b'x'; 1000], false);
    assert_eq!(long.len(), "llama.cpp error: ".len() + LINE_BYTES_MAX);
}

#[test]
fn a_discreet_line_names_the_function_and_nothing_else() {
    assert_eq!(line(b"tokenize: what a person wrote", true), "llama.cpp error: tokenize");
    assert_eq!(line(b" leading space", true), "llama.cpp error: ");
}

#[test]
fn only_absolute_paths_are_scored() {
    let relative = score_variant(Path::new("libggml-cpu-x64.so"));
    assert!(matches!(relative, Err(VariantError::Path)));
    assert_eq!(score_variant(Path::new("/nowhere/libggml-cpu-x64.so")).unwrap(), 0);
}
