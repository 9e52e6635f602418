//! The real broker, the real worker, real models: what a client gets, and what it gets told.

#![expect(clippy::print_stdout, reason = "what is printed is the result")]

mod bad_input;
mod budget;
mod cancel;
mod changed;
mod chaos;
mod choices;
mod compare;
mod contexts;
mod crash;
mod detach;
mod early;
mod embed;
mod flood;
mod generate;
mod gpu;
mod grammars;
mod hostile;
mod isolation;
mod journal;
mod keep;
mod leases;
mod lifecycle;
mod limits;
mod loading;
mod locked;
mod order;
mod parity;
mod preempt;
mod published;
mod same;
mod saves;
mod shaped;
mod standby;
mod swap;
mod talk;
mod vocabulary;
mod watch;
