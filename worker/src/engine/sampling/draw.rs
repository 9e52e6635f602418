//! Randomness without state (decision D10).
//!
//! A draw is a function of the request's seed, of the token's position in its sequence and of what
//! it is for, so a sequence that is replayed after a crash, or that shares its batch with others,
//! draws the same.

/// The odd constant of SplitMix64 (Steele, Lea, Flood 2014): 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Bits of a double's mantissa: more could not be kept.
const MANTISSA_BITS: u32 = 53;

/// The use of a draw that picks a token.
pub(super) const FOR_TOKEN: u32 = 0;

/// The use of a draw that decides whether XTC applies.
pub(super) const FOR_XTC: u32 = 1;

/// A number in `0.0..1.0` for the token at `position` of a sequence with `seed`; `k` separates the
/// uses that one position has.
pub(super) fn uniform(seed: u64, position: u32, k: u32) -> f64 {
    // Two rounds: the second separates sequences whose seeds differ by a multiple of GOLDEN.
    let start = mix(seed.wrapping_add(GOLDEN));
    let first = mix(start.wrapping_add(GOLDEN.wrapping_mul(u64::from(position) + 1)));
    // Use 0 is the first number of the position; the others are a generator's that starts there.
    let bits = match k {
        FOR_TOKEN => first,
        _ => mix(first.wrapping_add(GOLDEN.wrapping_mul(u64::from(k)))),
    };
    let kept = bits >> (u64::BITS - MANTISSA_BITS);
    // Exact: 53 bits fit a double, and dividing by a power of two only changes the exponent.
    kept as f64 / (1_u64 << MANTISSA_BITS) as f64
}

/// The finaliser of SplitMix64: every bit of the result depends on every bit of `z`.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
