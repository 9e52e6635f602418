//! The two profiles of a worker, and what the weaker one opens beyond calls: device nodes, and the
//! files that a driver reads while it starts. The calls are in policy/seccomp.
//!
//! The CPU profile has none of this. The GPU profile is chosen by what CONFIG names and by nothing
//! else: a worker with a GPU back end runs under it, and says so in `degraded` (ADR 9).

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::PathBuf;

use crate::report::{How, Row, layer};

/// Which set of protections a worker gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// The model's files and nothing else; no device.
    #[default]
    Cpu,
    /// A GPU's device nodes as well, and commands to them.
    Gpu,
}

/// Device nodes of one kind.
#[derive(Debug, Clone)]
pub struct Nodes {
    /// The path, or its beginning when a number follows.
    pub stem: &'static str,
    /// The numbers that may follow, as many as the wire tells of devices.
    pub numbers: Option<Range<u32>>,
    /// Why a driver opens it.
    pub reason: &'static str,
}

/// Every device node that a worker under the GPU profile may open: to read, to write and to give
/// commands to. Those that do not exist are left out.
pub const NODES: &[Nodes] = &[
    Nodes {
        stem: "/dev/nvidia",
        numbers: Some(0..16),
        reason: "a GPU of NVIDIA's driver: its memory and its queues are mapped from here",
    },
    Nodes {
        stem: "/dev/nvidiactl",
        numbers: None,
        reason: "where NVIDIA's driver lists its GPUs and makes every object of a process",
    },
    Nodes {
        stem: "/dev/nvidia-uvm",
        numbers: None,
        reason: "unified addresses: CUDA starts on no device without it",
    },
    Nodes {
        stem: "/dev/dri/renderD",
        numbers: Some(128..144),
        reason: "a GPU for computing and not for the screen, as Vulkan drivers open it",
    },
];

/// What drivers read while they start, before the worker's own domain: the broker's domain must
/// show it, because a worker inherits that. Those that do not exist are left out.
pub const DRIVER_FILES: &[(&str, &str)] = &[
    ("/sys/bus/pci/devices", "which GPUs there are"),
    ("/sys/devices", "what each GPU is and which memory is near it, where the links of /sys lead"),
    ("/sys/dev/char", "from the numbers of a render node to its device"),
    ("/usr/share/vulkan", "which Vulkan drivers are installed"),
    ("/etc/vulkan", "which Vulkan drivers the administrator installed"),
    ("/usr/share/nvidia", "settings of NVIDIA's driver for single programs"),
];

/// Descriptors that a driver may hold beside the table: for each GPU a few dozen are usual, as
/// every context and every mapping has one.
pub const DRIVER_DESCRIPTORS_MAX: usize = 256;

impl Profile {
    /// The profile that a worker with these back ends runs under.
    pub fn of_backends<T>(backends: &[T]) -> Self {
        if backends.is_empty() { Self::Cpu } else { Self::Gpu }
    }

    /// The name that `status` shows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        }
    }

    /// What is given up by choice, for the report: nothing under the CPU profile.
    pub fn rows(self, how: How) -> Vec<Row> {
        match self {
            Self::Cpu => Vec::new(),
            Self::Gpu => {
                vec![Row::no(layer::PROFILE_GPU, how, "device nodes and commands to them")]
            }
        }
    }

    /// The device nodes that may exist under it.
    pub fn nodes(self) -> Vec<PathBuf> {
        match self {
            Self::Cpu => Vec::new(),
            Self::Gpu => NODES.iter().flat_map(Nodes::paths).collect(),
        }
    }

    /// Files and directories that drivers may read while they start.
    pub fn driver_files(self) -> Vec<PathBuf> {
        match self {
            Self::Cpu => Vec::new(),
            Self::Gpu => DRIVER_FILES.iter().map(|(path, _)| PathBuf::from(path)).collect(),
        }
    }
}

impl Nodes {
    fn paths(&self) -> Vec<PathBuf> {
        match &self.numbers {
            None => vec![self.stem.into()],
            Some(numbers) => numbers.clone().map(|n| format!("{}{n}", self.stem).into()).collect(),
        }
    }
}
