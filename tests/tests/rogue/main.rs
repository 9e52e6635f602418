//! Hostile bytes, in bulk and at random: rings, client frames, every decoder, and model files.
//!
//! Each test has a bound that suits every run, and an environment variable for a longer one:
//! `CORE_MUTATIONS` ring images, `CORE_FRAMES` client frames, `CORE_FUZZ_SECONDS` for each decoder,
//! `CORE_GGUF` model files. What is random comes from fixed seeds; nothing here is guided by
//! coverage, because that needs a compiler that is not the one that ships.

#![expect(clippy::print_stdout, reason = "what is printed is the result")]

mod clients;
mod contexts;
mod corpora;
mod decoders;
mod files;
mod frames;
mod idlers;
mod messages;
mod mutations;
mod mutator;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
