//! The compiled filters against the policy files: an interpreter of BPF on one side, a reading of
//! the JSON on the other, and every call, architecture and class of arguments between them (row
//! S07). Also the mistakes that must end the build (row S06) and the golden list (rows S01, S02).

#![expect(clippy::print_stdout, reason = "the lists are what a reviewer reads")]
#![expect(clippy::unwrap_used, reason = "a test's surprise ends the test")]

#[path = "../../build/check.rs"]
mod check;
#[path = "../../build/compile.rs"]
mod compile;
#[path = "../../build/emit.rs"]
mod emit;
#[path = "../../build/names.rs"]
mod names;
#[path = "../../build/schema.rs"]
mod schema;

mod agree;
mod bpf;
mod build;
mod golden;
mod gpu;
mod reading;
