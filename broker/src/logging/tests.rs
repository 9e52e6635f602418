use std::{
    io::Read,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use super::line::{LINE_BYTES_MAX, Outcome, cut, offer};
use crate::cli::LogFormat;

#[test]
fn a_full_pipe_drops_lines_and_does_not_block() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let line = [b'x'; LINE_BYTES_MAX];
    let start = Instant::now();
    let mut written = 0;
    while offer(writer.as_fd(), &line) == Outcome::Written {
        written += 1;
    }
    assert!(written >= 1, "not even an empty pipe took a line");
    for _ in 0..100 {
        assert_eq!(offer(writer.as_fd(), &line), Outcome::Dropped);
    }
    assert!(start.elapsed() < Duration::from_secs(5));
    let mut room = vec![0; LINE_BYTES_MAX];
    reader.read_exact(&mut room).unwrap();
    assert_eq!(offer(writer.as_fd(), &line), Outcome::Written, "room again, lines again");
}

#[test]
fn a_pipe_without_a_reader_costs_a_line_and_nothing_else() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(offer(writer.as_fd(), b"gone\n"), Outcome::Dropped);
}

#[test]
fn a_long_line_is_cut_where_its_format_allows() {
    let short = b"short\n";
    assert_eq!(&*cut(short, LogFormat::Text), short);
    let long = "\u{e9}".repeat(LINE_BYTES_MAX);
    let text = cut(long.as_bytes(), LogFormat::Text);
    assert!(text.len() <= LINE_BYTES_MAX && text.ends_with(b" [cut]\n"));
    assert!(std::str::from_utf8(&text).is_ok());
    let json = cut(long.as_bytes(), LogFormat::Json);
    assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
}
