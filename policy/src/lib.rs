//! What each process may do, as data, and the code that applies and verifies it.
//!
//! The data is in `policy/seccomp/*.json`, [`limits`], [`fds`], [`env`] and [`landlock`]; the build
//! compiles the filters and refuses a policy that breaks a rule. Three kinds of code use it:
//!
//! * a worker locks itself down before it reads one untrusted byte ([`fds::Inherited`], [`apply`],
//!   [`landlock::confine_worker`], [`seccomp::install`]);
//! * the broker gives root up and locks itself down first ([`root`],
//!   [`landlock::restrict_broker`]), because all of it is inherited;
//! * the broker then looks from outside ([`verify`]) and believes what it saw: a worker's own word
//!   is marked as such in every [`report::Row`].
//!
//! Nothing here turns a layer off. A layer that the kernel lacks is either required, and then an
//! error, or wanted, and then a row that [`report::Report::degraded`] names.

#![deny(unsafe_code)]

pub mod apply;
pub mod caps;
pub mod env;
pub mod fds;
pub mod landlock;
pub mod limits;
pub mod probe;
pub mod profile;
pub mod report;
pub mod root;
pub mod seccomp;
#[allow(unsafe_code)]
mod sys;
pub mod verify;
