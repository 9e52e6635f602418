//! Mutants of a domain: each right that a ruleset handles is left out in turn, because a right that
//! is not handled is allowed.

use std::{path::Path, rc::Rc};

use core_tests::{
    harness::{Bench, Edit, Install, Setup, Stage},
    trace::{Call, Tracee},
};
use nix::libc;

use crate::{Mutant, Shared, VARIANT, live::rights, report::Fate, started, world::World};

/// The fields of `struct landlock_ruleset_attr`, and the names of their bits (linux/landlock.h).
const FIELDS: [(&str, &[&str]); 3] = [
    (
        "fs",
        &[
            "EXECUTE",
            "WRITE_FILE",
            "READ_FILE",
            "READ_DIR",
            "REMOVE_DIR",
            "REMOVE_FILE",
            "MAKE_CHAR",
            "MAKE_DIR",
            "MAKE_REG",
            "MAKE_SOCK",
            "MAKE_FIFO",
            "MAKE_BLOCK",
            "MAKE_SYM",
            "REFER",
            "TRUNCATE",
            "IOCTL_DEV",
            "RESOLVE_UNIX",
        ],
    ),
    ("net", &["BIND_TCP", "CONNECT_TCP", "BIND_UDP", "CONNECT_SEND_UDP"]),
    ("scope", &["ABSTRACT_UNIX_SOCKET", "SIGNAL"]),
];
/// Bytes of a field.
const FIELD_BYTES: usize = 8;

/// Whose domain.
#[derive(Clone, Copy)]
enum Who {
    Worker,
    Broker,
}

/// All mutants of a worker's and of a broker's domain.
///
/// # Errors
/// One does not come to its ruleset, or its whole domain does not deny.
pub(crate) fn all(world: &Shared) -> Setup<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for (who, name) in [(Who::Worker, "worker"), (Who::Broker, "broker")] {
        let handled = who.handled(&world.borrow())?;
        for (field, mask) in handled.into_iter().enumerate() {
            for bit in (0..u64::BITS).filter(|bit| mask >> bit & 1 == 1) {
                let world = Rc::clone(world);
                let tried = move || who.without(&mut world.borrow_mut(), field, bit);
                let id = format!("landlock/{name}/{}", right(field, bit));
                mutants.push(Mutant::new(id, tried));
            }
        }
    }
    Ok(mutants)
}

fn right(field: usize, bit: u32) -> String {
    let (name, bits) = FIELDS[field];
    match bits.get(bit as usize) {
        Some(right) => format!("{name} {right}"),
        None => format!("{name} {bit}"),
    }
}

impl Who {
    /// What the ruleset handles, field by field; with all of it everything is denied.
    fn handled(self, world: &World) -> Setup<[u64; 3]> {
        let mut handled = [0; 3];
        let denied = self.checked(world, &mut |tracee, call| {
            if let Some((at, size)) = ruleset(call) {
                for (field, value) in handled.iter_mut().enumerate() {
                    *value = read(tracee, at, size, field).unwrap_or(*value);
                }
            }
            None
        })?;
        denied.map_err(|error| format!("a whole domain: {error}"))?;
        if handled[0] == 0 { Err("no right is handled".into()) } else { Ok(handled) }
    }

    fn without(self, world: &mut World, field: usize, bit: u32) -> Setup<Fate> {
        world.reset()?;
        let mut edits = 0;
        let denied = self.checked(world, &mut |tracee, call| {
            if let Some((at, size)) = ruleset(call) {
                edits += usize::from(cleared(tracee, (at, size), field, bit).is_some());
            }
            // A right that is not handled cannot be granted; a rule that grants nothing is none.
            let (at, size) = rule(call).filter(|_| field == 0)?;
            (cleared(tracee, (at, size), 0, bit)? == 0).then_some(0)
        })?;
        if edits == 0 {
            return Err("no ruleset was edited".into());
        }
        Ok(denied.err().map_or(Fate::Survived, |error| Fate::Killed(format!("F06: {error}"))))
    }

    /// Holds one in its domain, without a filter and in the network of this run, and tries what
    /// must be denied. The inner error says what was not, or why it did not get there.
    fn checked(self, world: &World, edit: &mut Edit<'_>) -> Setup<Setup<()>> {
        let check = |tracee: &Tracee| rights::domain_denies(tracee, world);
        match self {
            Self::Broker => started::broker_in_domain(Install::new()?, edit, check),
            Self::Worker => {
                let install = world.install();
                let bench = Bench { install: &install, variant: VARIANT };
                let one_network = &mut |tracee: &Tracee, call| {
                    edit(tracee, call).or_else(|| rights::one_network(tracee, call))
                };
                let held = bench.hold_edited(Path::new(&world.model), Stage::Landlock, one_network);
                Ok(held.and_then(|held| check(&held.tracee)))
            }
        }
    }
}

/// Where a call to make a ruleset has its attributes, and how many bytes; a call without any only
/// asks for the version.
fn ruleset(call: Call) -> Option<(u64, u64)> {
    let [at, size, ..] = call.arguments;
    let makes = call.number == libc::SYS_landlock_create_ruleset.cast_unsigned() && at != 0;
    makes.then_some((at, size))
}

/// Where a rule for a path has its attributes: first the rights, in one field.
fn rule(call: Call) -> Option<(u64, u64)> {
    let adds = call.number == libc::SYS_landlock_add_rule.cast_unsigned();
    adds.then_some((call.arguments[2], FIELD_BYTES as u64))
}

/// Takes a bit out of a field, and answers what is left of it.
fn cleared(tracee: &Tracee, (at, size): (u64, u64), field: usize, bit: u32) -> Option<u64> {
    let value = read(tracee, at, size, field)? & !(1 << bit);
    let at_field = at + (field * FIELD_BYTES) as u64;
    tracee.write(at_field, &value.to_le_bytes()).ok()?;
    Some(value)
}

fn read(tracee: &Tracee, at: u64, size: u64, field: usize) -> Option<u64> {
    let from = (field * FIELD_BYTES) as u64;
    if from + FIELD_BYTES as u64 > size {
        return None;
    }
    let bytes = tracee.read(at + from, FIELD_BYTES).ok()?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
