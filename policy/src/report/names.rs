//! The names of all protections, in the order in which `audit` shows them.

use super::Required;

/// A protection's stable name and whether it is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// The name as it is printed.
    pub text: &'static str,
    /// Whether the broker may go on without it.
    pub required: Required,
}

/// Declares the constants and the list of all of them together, so that neither can miss one.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $required:ident;)*) => {
        /// Every protection that a row can be about.
        pub mod layer {
            use super::{Name, Required};
            $($(#[$doc])* pub const $name: Name =
                Name { text: $text, required: Required::$required };)*
            /// All of them, in the order of the audit table. Append only: codes are places here.
            pub const ALL: &[Name] = &[$($name),*];
        }
    };
}

names! {
    /// Opening, creating and removing files is confined to what the domain grants.
    LANDLOCK_FILESYSTEM = "landlock.filesystem", Required;
    /// TCP ports cannot be bound or connected (ABI 4).
    LANDLOCK_NET = "landlock.net", Wanted;
    /// Signals and abstract sockets stay within the domain (ABI 6).
    LANDLOCK_SCOPE = "landlock.scope", Wanted;
    /// The filter for parsing a model is installed.
    SECCOMP_LOAD = "seccomp.load", Required;
    /// The filter for serving is installed.
    SECCOMP_SERVE = "seccomp.serve", Required;
    /// Every thread has every filter.
    SECCOMP_ALL_THREADS = "seccomp.all-threads", Required;
    /// The broker's own filter is installed.
    SECCOMP_BROKER = "seccomp.broker", Required;
    /// Execution can never add privileges.
    NO_NEW_PRIVS = "no-new-privs", Required;
    /// No process of the same user can trace it or read its memory, and it leaves no core.
    DUMPABLE = "dumpable", Required;
    /// The shared memory has exactly the seals that its role needs.
    SEALS = "seals", Required;
    /// Effective, permitted, inheritable and ambient capabilities are empty.
    CAPS_EFFECTIVE = "caps.effective", Required;
    /// The bounding set is empty.
    CAPS_BOUNDING = "caps.bounding", Wanted;
    /// A user namespace of its own, without id maps.
    NS_USER = "ns.user", Wanted;
    /// A network namespace of its own, with nothing but a loopback that is down.
    NS_NET = "ns.net", Wanted;
    /// An IPC namespace of its own.
    NS_IPC = "ns.ipc", Wanted;
    /// A UTS namespace of its own.
    NS_UTS = "ns.uts", Wanted;
    /// A cgroup namespace of its own.
    NS_CGROUP = "ns.cgroup", Wanted;
    /// No memory can become executable (Linux 6.3).
    MDWE = "mdwe", Wanted;
    /// The mappings of the rings cannot be changed (Linux 6.10).
    MSEAL = "mseal", Wanted;
    /// The shared memory can never be executed (Linux 6.3).
    NOEXEC_SEAL = "noexec-seal", Wanted;
    /// Resource limits as listed, soft equal to hard.
    RLIMITS = "rlimits", Required;
    /// A limit on threads of its own, which needs a user namespace to count in.
    RLIMIT_NPROC = "rlimits.nproc", Wanted;
    /// Exactly the descriptors that the role has.
    FD_TABLE = "fd-table", Required;
    /// The process dies with the broker.
    PDEATHSIG = "pdeathsig", Required;
    /// The kernel's out-of-memory killer takes this process first.
    OOM_SCORE = "oom-score", Wanted;
    /// One thread while it locked itself down, so that no layer missed one.
    SINGLE_THREAD = "single-thread", Required;
    /// A cgroup limits the memory; else a data limit and a watchdog do.
    MEMORY_CGROUP = "memory.cgroup", Wanted;
    /// The process does not run as root.
    NOT_ROOT = "not-root", Required;
    /// A file of /proc, readable before, cannot be opened.
    CANARY_PROC = "canary.proc", Required;
    /// A file of /etc cannot be opened.
    CANARY_ETC = "canary.etc", Required;
    /// The root directory cannot be listed.
    CANARY_ROOT = "canary.root", Required;
    /// The directory of the libraries cannot be listed any more.
    CANARY_LIBRARIES = "canary.libraries", Required;
    /// A device, usable before, cannot be opened.
    CANARY_DEVICE = "canary.device", Required;
    /// The model cannot be opened for writing through its own descriptor.
    CANARY_MODEL_WRITE = "canary.model-write", Required;
    /// A file cannot be created outside temp/ and cache/.
    CANARY_CREATE = "canary.create", Required;
    /// The worker's binary cannot be opened for writing.
    CANARY_BINARY = "canary.binary", Required;
    /// The installed programs are those that were shipped.
    SECCOMP_CONTENT = "seccomp.content", Wanted;
    /// temp/ and cache/ can be written: the domain is no tighter than the contract.
    CANARY_TEMP = "canary.temp", Required;
    /// The model's files are those that were hashed.
    MODEL_FILES = "model.files", Required;
    /// No device is open: a row stands only where this does not hold, under the GPU profile.
    PROFILE_GPU = "profile.gpu", Wanted;
    /// A file that may only be read cannot be cut short either (ABI 3).
    LANDLOCK_TRUNCATE = "landlock.truncate", Wanted;
    /// No device that may be opened takes commands (ABI 5).
    LANDLOCK_IOCTL = "landlock.ioctl", Wanted;
}
