use super::{Flow, TextStream};

fn stream(stops: &[&str]) -> TextStream {
    TextStream::new(stops.iter().map(|&s| s.to_owned()).collect())
}

/// Feeds `pieces`; answers all that was shown, and whether a stop string ended it.
fn run(stops: &[&str], pieces: &[&[u8]]) -> (String, bool) {
    let mut stream = stream(stops);
    let mut shown = String::new();
    for piece in pieces {
        match stream.push(piece) {
            Flow::More(text) => shown.push_str(&text),
            Flow::Stopped(text) => return (shown + &text, true),
        }
    }
    (shown + &stream.finish(), false)
}

#[test]
fn text_without_stops_passes_at_once() {
    let mut stream = stream(&[]);
    assert_eq!(stream.push(b"one "), Flow::More("one ".into()));
    assert!(!stream.is_holding());
    assert_eq!(stream.finish(), "");
}

#[test]
fn a_character_is_shown_when_it_is_whole() {
    let mut stream = stream(&[]);
    let euro = "€".as_bytes();
    assert_eq!(stream.push(&euro[..1]), Flow::More(String::new()));
    assert!(stream.is_holding());
    assert_eq!(stream.push(&euro[1..2]), Flow::More(String::new()));
    assert_eq!(stream.push(&euro[2..]), Flow::More("€".into()));
    assert!(!stream.is_holding());
}

#[test]
fn every_cut_of_every_text_gives_the_same_text() {
    let text = "aé€😀z";
    let bytes = text.as_bytes();
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            assert_eq!(run(&[], &pieces), (text.to_owned(), false));
        }
    }
}

#[test]
fn bytes_that_are_no_text_become_one_replacement_each() {
    assert_eq!(run(&[], &[b"a\xffb"]).0, "a\u{fffd}b");
    assert_eq!(run(&[], &[b"a\xe2\x82"]).0, "a\u{fffd}", "open at the end");
    assert_eq!(run(&[], &[b"\xe2\x82", b"x"]).0, "\u{fffd}x", "refuted later");
    assert_eq!(run(&[], &[b"\xc3", b"\xc3", b"\xa9"]).0, "\u{fffd}é");
}

#[test]
fn as_std_would_replace_however_it_is_cut() {
    let bytes = b"ok\xf0\x9f\x98no\xed\xa0\x80\xc0\xafend\xf4";
    let expected = String::from_utf8_lossy(bytes).into_owned();
    for cut in 0..=bytes.len() {
        assert_eq!(run(&[], &[&bytes[..cut], &bytes[cut..]]).0, expected, "cut at {cut}");
    }
}

#[test]
fn nothing_of_a_stop_string_is_shown_however_it_is_cut() {
    let text = b"say STOP now";
    for first in 0..=text.len() {
        for second in first..=text.len() {
            let pieces = [&text[..first], &text[first..second], &text[second..]];
            assert_eq!(run(&["STOP"], &pieces), ("say ".to_owned(), true));
        }
    }
}

#[test]
fn a_beginning_that_does_not_complete_is_shown_later() {
    let mut stream = stream(&["STOP"]);
    assert_eq!(stream.push(b"a ST"), Flow::More("a ".into()));
    assert!(stream.is_holding());
    assert_eq!(stream.push(b"AR"), Flow::More("STAR".into()));
    assert_eq!(stream.push(b" S"), Flow::More(" ".into()));
    assert_eq!(stream.finish(), "S");
}

#[test]
fn a_repeating_beginning_is_not_missed() {
    assert_eq!(run(&["aab"], &[b"a", b"a", b"a", b"b"]), ("a".to_owned(), true));
    assert_eq!(run(&["\n\n"], &[b"x\n", b"y\n", b"\n"]), ("x\ny".to_owned(), true));
}

#[test]
fn the_stop_that_completes_first_counts_however_the_text_is_cut() {
    let cut: [&[&[u8]]; 3] = [&[b"abcd"], &[b"a", b"b", b"c", b"d"], &[b"ab", b"cd"]];
    for pieces in cut {
        assert_eq!(run(&["bcd", "c"], pieces), ("ab".to_owned(), true));
        assert_eq!(run(&["bc", "c"], pieces), ("a".to_owned(), true), "the longer of both");
    }
}

#[test]
fn a_stop_string_of_many_bytes_per_character_works() {
    let text = "oui€non";
    let bytes = text.as_bytes();
    for cut in 0..=bytes.len() {
        assert_eq!(run(&["€"], &[&bytes[..cut], &bytes[cut..]]), ("oui".to_owned(), true));
    }
}

#[test]
fn what_is_held_stays_shorter_than_the_longest_stop() {
    let stop = "x".repeat(200);
    let mut stream = stream(&[&stop]);
    for _ in 0..150 {
        assert_eq!(stream.push(b"x"), Flow::More(String::new()));
    }
    assert!(matches!(stream.push(b"y"), Flow::More(text) if text.len() == 151));
}
