//! Peers that lie: what the rogue worker can do, and a client that sends what it likes.

mod broken;
mod den;
mod judge;
mod lie;
mod raw;
mod stream;
#[cfg(test)]
mod tests;

pub use broken::load_broken;
pub use den::{Den, Footprint};
pub use lie::{End, Lie, VOCABULARY};
pub use raw::{Door, Raw, generate};
pub use stream::{Gaps, Stream};
