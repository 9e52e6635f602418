//! The form of a policy file, and the mistakes that serde can catch: a missing reason, a stray key.

use serde::{Deserialize, Deserializer};

/// One file of policy/seccomp.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    /// Name of the profile; equals the file's stem.
    pub(crate) profile: String,
    /// What the profile is for, in a sentence.
    pub(crate) about: String,
    /// Profiles whose rules all hold here too, so that a later, stricter stage is always contained:
    /// one name, or a list of names.
    #[serde(default, deserialize_with = "one_or_more")]
    pub(crate) includes: Vec<String>,
    /// Answer to everything that no rule allows.
    pub(crate) default: Default,
    /// Calls that are answered with an error although they are listed, first match wins by
    /// strictness.
    #[serde(default)]
    pub(crate) errno: Vec<Answer>,
    /// Calls that are allowed.
    pub(crate) allow: Vec<Rule>,
}

/// Reads a name, a list of names, or null.
fn one_or_more<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Names {
        One(String),
        More(Vec<String>),
    }
    Ok(match Option::<Names>::deserialize(value)? {
        None => Vec::new(),
        Some(Names::One(name)) => vec![name],
        Some(Names::More(names)) => names,
    })
}

/// What happens to a call that no rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Default {
    /// The whole process dies of SIGSYS: the only answer for a worker.
    KillProcess,
    /// The call fails with EPERM and is logged: the broker must survive a library's odd idea.
    ErrnoEperm,
}

/// Calls that get one errno; each answer becomes a filter of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// Name of the errno.
    pub(crate) answer: String,
    /// Calls that get it.
    pub(crate) rules: Vec<Rule>,
}

/// One call and the arguments with which it matches.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The call's name.
    pub(crate) syscall: String,
    /// Alternatives, each a list of conditions that must all hold; absent: any arguments.
    #[serde(default)]
    pub(crate) args: Option<Vec<Vec<Condition>>>,
    /// Why the call is needed, and for a narrow rule why it is no wider.
    pub(crate) reason: String,
}

/// One comparison of one argument.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Condition {
    /// Index of the argument, from 0.
    pub(crate) arg: u8,
    /// Width of the kernel's parameter: `int` compares 32 bits, because the kernel reads no more.
    pub(crate) width: Width,
    /// The comparison.
    pub(crate) op: Op,
    /// Number, `A|B`, or `@pid`: the process that installs the filter.
    pub(crate) value: String,
    /// Bits that `eq` does not look at.
    #[serde(default)]
    pub(crate) ignoring: Option<String>,
}

/// Width of a parameter in the kernel's own prototype.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Width {
    /// 32 bits.
    Int,
    /// 64 bits.
    Long,
}

/// How an argument is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Op {
    /// Equal, apart from the bits in `ignoring`.
    Eq,
    /// No bit set outside the value.
    SubsetOf,
    /// No bit of the value set.
    NoneOf,
    /// Every bit of the value set.
    AllOf,
    /// Not greater.
    AtMost,
}

/// What stands for the installing process in a value.
pub(crate) const PID: &str = "@pid";
