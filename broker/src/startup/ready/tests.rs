use std::{io::Read, path::Path};

use super::{ReadyTo, line};

#[test]
fn the_line_is_the_contracts_byte_for_byte() {
    let expected = format!(
        "{}{}{}",
        r#"{"ready":true,"pid":7,"socket":"/run/b.sock","protocol":"1.0","version":""#,
        env!("CARGO_PKG_VERSION"),
        "\"}\n",
    );
    assert_eq!(line(Path::new("/run/b.sock"), 7), expected);
}

#[test]
fn a_path_with_quotes_stays_one_line_of_json() {
    let text = line(Path::new("/run/a\"b\n.sock"), 7);
    assert_eq!(text.lines().count(), 1);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["socket"], "/run/a\"b\n.sock");
}

#[test]
fn the_descriptor_is_closed_after_the_line() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    ReadyTo::Descriptor(writer.into()).announce(Path::new("/b")).unwrap();
    let mut all = String::new();
    reader.read_to_string(&mut all).unwrap();
    assert!(all.ends_with("}\n"));
}

#[test]
fn a_reader_that_is_gone_is_an_error_and_no_signal() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert!(ReadyTo::Descriptor(writer.into()).announce(Path::new("/b")).is_err());
}
