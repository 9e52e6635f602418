//! The real broker, the real worker, real models: what a client gets, and what it gets told.

#![expect(clippy::print_stdout, reason = "what is printed is the result")]

mod bad_input;
mod choices;
mod client;
mod crash;
mod generate;
mod grammars;
mod leases;
mod lifecycle;
mod parity;
mod preempt;
mod vocabulary;
