//! A generator of our own, so that a file never changes because a dependency did.

/// SplitMix64: one addition and three mixing steps per eight bytes; quality is ample for weights.
pub(super) struct SplitMix(u64);

impl SplitMix {
    /// Starts stream `stream` of `seed`; every tensor has its own, so adding one moves no other.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Self(seed ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        rng.next();
        rng
    }

    /// The next 64 random bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}
