//! Tokens and their files.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::{
    Token, TokenError, TokenFileError,
    limits::{TOKEN_BYTES_MAX, TOKEN_BYTES_MIN},
};

#[test]
fn a_token_has_a_length_without_its_newline() {
    let of = |bytes: usize, end: &str| {
        let text = "t".repeat(bytes) + end;
        Token::new(text.into_bytes()).map(|token| token.bytes().len())
    };
    assert_eq!(of(TOKEN_BYTES_MIN, "").ok(), Some(TOKEN_BYTES_MIN));
    assert_eq!(of(TOKEN_BYTES_MIN, "\n").ok(), Some(TOKEN_BYTES_MIN));
    assert_eq!(of(TOKEN_BYTES_MAX, "\n").ok(), Some(TOKEN_BYTES_MAX));
    assert!(of(TOKEN_BYTES_MAX + 1, "").is_err());
    let short = of(TOKEN_BYTES_MIN - 1, "\n");
    assert!(matches!(short, Err(TokenError::Length { bytes: 31 })));
}

#[test]
fn a_random_token_is_new_and_survives_a_file() {
    let (one, two) = (Token::random().unwrap(), Token::random().unwrap());
    assert_ne!(one.bytes(), two.bytes());
    assert!(one.bytes().iter().all(u8::is_ascii_hexdigit));
}

#[test]
fn a_token_file_belongs_to_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    fs::write(&path, [b't'; 40]).unwrap();
    for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        match Token::read_file(&path) {
            Ok(_) => assert!(good, "{mode:o} was taken"),
            Err(TokenFileError::Mode { mode: told, .. }) => {
                assert!(!good, "{mode:o} was refused");
                assert_eq!(told, mode);
            }
            Err(other) => panic!("{other}"),
        }
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, b"short").unwrap();
    let error = Token::read_file(&path).unwrap_err();
    assert!(matches!(error, TokenFileError::Content { .. }), "{error}");
    fs::write(&path, vec![b't'; 2 * TOKEN_BYTES_MAX]).unwrap();
    assert!(Token::read_file(&path).is_err());
}
