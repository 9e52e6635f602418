//! Whose cells may serve whom: cache domains, saved contexts, published prefixes (decision D11).
//!
//! Every session has a domain of its own, and what a worker keeps of it is forgotten when the
//! session ends ([`Core::forget`]). [`saved`] says what may be saved and restored, [`carry`]
//! carries it between a worker and cache/, [`published`] gives every worker of a model what all
//! sessions may start from.

mod carry;
mod published;
mod saved;

use std::collections::{BTreeMap, BTreeSet};

use core_wire::{
    client::Cache,
    ids::{ContextName, DomainId, ModelId},
    worker::ToWorker,
};

use self::published::Published;
use super::{Core, arrive::After, worker::Stage};
use crate::{
    config::CacheConfig,
    ipc::{ConnId, Outbox},
    memory::{
        Budget,
        cache::{FILE_EXTRA_MAX, Folder},
    },
    startup::Setup,
};

/// The session of what the broker asks by itself. Connections count from 0 up and never get there.
const OWN: ConnId = ConnId(u64::MAX);

/// A client that is connected.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) outbox: Outbox,
    pub(super) session: Session,
}

/// What a session is to the cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    /// The user at the other end: saved contexts are theirs.
    pub(super) peer_uid: u32,
    /// What its workers may keep of it.
    pub(super) domain: DomainId,
}

/// What a job finds and leaves behind.
#[derive(Clone, Debug)]
pub(super) enum Scope {
    /// Nothing.
    None,
    /// What its session computed.
    Session,
    /// The same, with a file.
    Saved(ContextName),
    /// What everybody may read.
    Public,
}

/// Everything that is known of contexts.
#[derive(Debug)]
pub(super) struct Contexts {
    /// cache/; `None` when no descriptor was left for it.
    folder: Option<Folder>,
    /// What of contexts is held on the way: as much as one may have, so several small ones pass at
    /// once and a large one alone.
    budget: Budget,
    /// Bytes of all that are saved, as the last look at cache/ found.
    saved_bytes: u64,
    last_domain: DomainId,
    /// Of sessions that are over, while something that was detached goes on.
    outlived: BTreeSet<DomainId>,
    /// By model; forgotten with the broker's end, or when they are withdrawn.
    published: BTreeMap<ModelId, Vec<Published>>,
    /// How often a prefix was given to a new worker: their requests are named by it.
    given: u64,
}

impl Scope {
    /// The scope of a generation.
    pub(super) fn of(cache: Cache) -> Self {
        match cache {
            Cache::Session => Self::Session,
            Cache::Off => Self::None,
        }
    }

    /// Whose cells a job of this session may use.
    pub(super) fn domain(&self, session: Session) -> Option<DomainId> {
        match self {
            Self::None => None,
            Self::Session | Self::Saved(_) => Some(session.domain),
            Self::Public => Some(DomainId::PUBLIC),
        }
    }
}

impl Contexts {
    /// Looks at cache/ once; what cannot be used is said, and costs saved contexts alone.
    pub(super) fn open(setup: &Setup) -> Self {
        let dir = setup.cache.try_clone();
        let folder = dir.map(Folder::new).inspect_err(|error| {
            tracing::warn!(%error, "no context can be saved");
        });
        let folder = folder.ok();
        let saved = folder.as_ref().map(Folder::tidy);
        let saved_bytes = saved.and_then(|saved| {
            saved.inspect_err(|error| tracing::warn!(%error, "cache/ is not counted")).ok()
        });
        Self {
            folder,
            budget: Budget::of_contexts(held_max(&setup.config.cache)),
            saved_bytes: saved_bytes.unwrap_or(0),
            last_domain: DomainId::PUBLIC,
            outlived: BTreeSet::new(),
            published: BTreeMap::new(),
            given: 0,
        }
    }

    /// Takes a configuration that was read again.
    pub(super) fn resize(&mut self, config: &CacheConfig) {
        self.budget.resize(held_max(config));
    }

    /// A domain that no session had before.
    pub(super) fn new_domain(&mut self) -> DomainId {
        self.last_domain = DomainId(self.last_domain.0 + 1);
        self.last_domain
    }

    pub(super) fn saved_bytes(&self) -> u64 {
        self.saved_bytes
    }
}

/// One context with its file's header: nothing else is as large.
fn held_max(config: &CacheConfig) -> usize {
    let max = config.context_bytes_max.saturating_add(FILE_EXTRA_MAX);
    usize::try_from(max).unwrap_or(usize::MAX)
}

impl Core {
    /// A session is over: its domain is forgotten, at the latest once what it has detached has
    /// ended.
    pub(super) fn forget_unless_used(&mut self, domain: DomainId) {
        if self.is_used(domain) {
            self.contexts.outlived.insert(domain);
        } else {
            self.forget(domain);
        }
    }

    /// A request of a domain has ended. If it was the last one of a session that is over, nothing
    /// of it is left, once its job was told to end.
    pub(super) fn left_domain(&mut self, domain: DomainId) {
        if self.contexts.outlived.contains(&domain) && !self.is_used(domain) {
            self.contexts.outlived.remove(&domain);
            self.after.push_back(After::Forget(domain));
        }
    }

    fn is_used(&self, domain: DomainId) -> bool {
        self.live.values().any(|live| live.session.domain == domain)
    }

    /// A session is over: nothing of it may be found any more in any worker that had a job of it.
    pub(super) fn forget(&mut self, domain: DomainId) {
        for worker in self.workers.values_mut() {
            if worker.domains.remove(&domain) && worker.stage != Stage::Gone {
                worker.say(&ToWorker::Forget(domain));
            }
        }
    }
}
