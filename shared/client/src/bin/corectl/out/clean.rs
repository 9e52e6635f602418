//! Text of others, made safe for a terminal.
//!
//! A model says what its prompt makes it say: an escape sequence could move the cursor, change the
//! window's title, or answer in the user's name. Such characters are shown, not obeyed.

/// The Unicode block of pictures for control characters starts here.
const PICTURES: u32 = 0x2400;
/// The picture of DEL.
const DELETE_PICTURE: char = '\u{2421}';

/// Text of several lines: newline and tab stay, other control characters become visible.
pub(crate) fn text(raw: &str) -> String {
    raw.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            other => visible(other),
        })
        .collect()
}

/// Text of one line: newline and tab become visible too.
pub(crate) fn line(raw: &str) -> String {
    raw.chars().map(visible).collect()
}

fn visible(c: char) -> char {
    match c {
        '\0'..='\x1f' => char::from_u32(PICTURES + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => DELETE_PICTURE,
        // C1 controls, which some terminals obey like ESC, and orders to reverse what follows, by
        // which a text can look like another.
        '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        other => other,
    }
}
