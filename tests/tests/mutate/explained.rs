//! Survivors that are harmless, and why. One without an entry here fails the run; an entry is no
//! kill: the ratio counts it as a survivor.

/// A mutant's name, or the beginning of several, and why nothing can go red.
type Explained = (&'static str, &'static str);

const ALL: &[Explained] = &[
    (
        "landlock/worker/fs REFER",
        "every domain refuses to move files between directories unless it grants that, handled or \
         not (landlock(7))",
    ),
    ("landlock/broker/fs REFER", "as of a worker's REFER: without it less is allowed, not more"),
    (
        "landlock/worker/fs IOCTL_DEV",
        "the right belongs to a device that was opened within the domain, and none can be: \
         READ_FILE and WRITE_FILE are granted on no device",
    ),
    (
        "boot/limit RTPRIO",
        "0 is inherited already, and this run may not raise it: that needs CAP_SYS_RESOURCE",
    ),
    (
        "boot/limit NICE",
        "0 is inherited already, and this run may not raise it: that needs CAP_SYS_RESOURCE",
    ),
    (
        "boot/umask",
        "a worker inherits the broker's umask, which is 0077 already; row F06 looks at it",
    ),
    (
        "boot/the ambient set",
        "the set is empty already: the kernel clears it when the broker gives root up and when a \
         worker enters its user namespace (capabilities(7)); that it is empty is looked at",
    ),
    (
        "guard/policy/src/landlock/mod.rs:121",
        "under HardRequirement crate landlock 0.4 ends with an error where it would say less than \
         FullyEnforced; the check is for one that does not, and a unit test is about its answers",
    ),
];

/// Why the survival of a mutant is harmless.
pub(crate) fn of(id: &str) -> Option<&'static str> {
    ALL.iter().find(|(start, _)| id.starts_with(start)).map(|(_, why)| *why)
}
