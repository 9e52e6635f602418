//! What process tests share: a fresh installation of the shipped binaries, the real broker on it,
//! and a bench that plays the broker to a single worker.
//!
//! Everything lives beneath one temporary directory that an ordinary uid can reach, because the
//! broker refuses to stay root and a build directory may lie in a home of mode 0700.

pub mod bench;
pub mod broker;
mod busy;
pub mod install;
pub mod layers;
pub mod machine;
pub mod processes;

pub use self::{
    bench::{Bench, Held},
    broker::{Broker, Output},
    install::Install,
    layers::{Edit, Layer, Layers, Stage},
    machine::Machine,
};

/// Why a test could not be set up; never a verdict about what is tested.
pub type Setup<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
