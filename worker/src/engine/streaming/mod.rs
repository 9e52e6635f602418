//! From token pieces to text that may be shown.
//!
//! Two things hold text back: a character of which only some bytes have come, and a stop string
//! that may still complete. The texts handed out, put together, are the text that is shown: nothing
//! is shown and then taken back, and nothing from a stop string on is shown at all.

#[cfg(test)]
mod tests;

use std::str;

/// What a piece of text did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// So much became complete, perhaps nothing.
    More(String),
    /// A stop string completed; so much stood before it.
    Stopped(String),
}

/// The text of one sequence on its way out.
#[derive(Debug, Default)]
pub(crate) struct TextStream {
    stops: Vec<String>,
    /// The first bytes of a character, three at most.
    partial: Vec<u8>,
    /// Whole characters with which a stop string may begin, shorter than the longest stop string.
    held: String,
}

impl TextStream {
    /// A stream that ends before any of `stops` would be shown.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        Self { stops, ..Self::default() }
    }

    /// Adds the bytes of a token; bytes that can be no UTF-8 become U+FFFD.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Flow {
        self.partial.extend_from_slice(piece);
        let rest = decode(&self.partial, &mut self.held);
        self.partial.drain(..self.partial.len() - rest);
        if let Some(start) = self.first_stop() {
            self.held.truncate(start);
            self.partial.clear();
            return Flow::Stopped(std::mem::take(&mut self.held));
        }
        let keep = self.stop_prefix_bytes();
        let tail = self.held.split_off(self.held.len() - keep);
        Flow::More(std::mem::replace(&mut self.held, tail))
    }

    /// Whether text or bytes wait for more.
    pub(crate) fn is_holding(&self) -> bool {
        !(self.held.is_empty() && self.partial.is_empty())
    }

    /// Hands out what is held: nothing more comes. An incomplete character becomes U+FFFD.
    pub(crate) fn finish(&mut self) -> String {
        if !self.partial.is_empty() {
            self.partial.clear();
            self.held.push(char::REPLACEMENT_CHARACTER);
        }
        std::mem::take(&mut self.held)
    }

    /// Where the stop string begins that completes first; of several that complete together the
    /// longest. So the answer does not depend on how the text was cut into tokens.
    fn first_stop(&self) -> Option<usize> {
        let ends = self.stops.iter().filter_map(|stop| {
            let start = self.held.find(stop.as_str())?;
            Some((start + stop.len(), start))
        });
        ends.min().map(|(_, start)| start)
    }

    /// Bytes at the end of the held text with which some stop string could begin.
    fn stop_prefix_bytes(&self) -> usize {
        let longest = |stop: &String| {
            let most = self.held.len().min(stop.len() - 1);
            let fits = |&bytes: &usize| {
                let tail = &self.held.as_bytes()[self.held.len() - bytes..];
                stop.as_bytes().starts_with(tail)
            };
            (1..=most).rev().find(fits).unwrap_or(0)
        };
        let stops = self.stops.iter().filter(|stop| !stop.is_empty());
        stops.map(longest).max().unwrap_or(0)
    }
}

/// Appends the whole characters of `bytes` to `text`; answers how many bytes at the end are the
/// beginning of a character.
fn decode(bytes: &[u8], text: &mut String) -> usize {
    let mut left = bytes.len();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let invalid = chunk.invalid();
        left -= chunk.valid().len() + invalid.len();
        if invalid.is_empty() {
            continue;
        }
        // Only at the very end can a character be open: any other was refuted by what followed.
        let open = str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
        if open && left == 0 {
            return invalid.len();
        }
        text.push(char::REPLACEMENT_CHARACTER);
    }
    0
}
