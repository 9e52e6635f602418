//! The real broker, the real worker, real models: what a client gets, and what it gets told.

#![expect(clippy::print_stdout, reason = "what is printed is the result")]

mod bad_input;
mod cancel;
mod changed;
mod chaos;
mod choices;
mod compare;
mod crash;
mod detach;
mod embed;
mod flood;
mod generate;
mod grammars;
mod hostile;
mod leases;
mod lifecycle;
mod order;
mod parity;
mod preempt;
mod same;
mod shaped;
mod standby;
mod talk;
mod vocabulary;
