//! Requests as they come in.

use core_wire::{client::Priority, ids::RequestId};

use super::{LineId, Ticket};
use crate::ipc::ConnId;

/// What a request wants of the scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// A slot of the line's worker.
    Generate(LineId),
    /// A moment of the line's worker, without a slot: tokenize, detokenize, compile a grammar.
    Brief(LineId),
    /// An embedding by the line's worker: no slot, but more than a moment.
    Embed(LineId),
    /// A worker for the line.
    Load(LineId),
    /// No worker for the line.
    Unload(LineId),
    /// That a model is served from another file.
    Swap {
        /// The line of its file of now.
        from: LineId,
        /// The line that takes its place once its worker is ready.
        to: LineId,
    },
    /// That nothing runs any more, and that nothing new is taken.
    Drain,
}

/// A request that passed every check that needs no state of the scheduler.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// Its name here.
    pub(crate) ticket: Ticket,
    /// Its session.
    pub(crate) conn: ConnId,
    /// Its name there.
    pub(crate) id: RequestId,
    /// Whether it opens that name.
    pub(crate) entry: Entry,
    /// What it wants.
    pub(crate) task: Task,
    /// Which class it waits in.
    pub(crate) class: Priority,
    /// What it may take; nothing but for [`Task::Generate`] and [`Task::Embed`].
    pub(crate) cost: Cost,
    /// What it may be served from should the model's file be swapped while it waits.
    pub(crate) bound: Bound,
    /// When it gives up.
    pub(crate) deadline: Option<Deadline>,
}

/// What a request was made for. One that has got tokens is bound to their vocabulary in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The model, whatever its file.
    #[default]
    Model,
    /// A vocabulary: it names tokens by their ids.
    Vocabulary,
    /// One file: its grammar was compiled for it.
    Edition,
}

/// What a request may take, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Its prompt: exact for ids, estimated for text until [`super::Event::Started`] tells.
    pub(crate) prompt: u32,
    /// What it may generate.
    pub(crate) max_tokens: u32,
}

/// How a request stands to its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It opens the name, which no other request of its session may have.
    Opens,
    /// It joins a request of that name that was accepted and is open: another completion of its
    /// prompt, or what waited for its grammar. So it is not refused because of a drain.
    Joins,
}

/// When a request gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    /// On the clock of [`super::Event::Tick`].
    pub(crate) at_ms: u64,
    /// How long after its arrival that is, for the sentence about it.
    pub(crate) after_ms: u32,
}

impl Task {
    /// The line that it is for.
    pub(crate) fn line(&self) -> Option<&LineId> {
        match self {
            Self::Generate(id)
            | Self::Brief(id)
            | Self::Embed(id)
            | Self::Load(id)
            | Self::Unload(id) => Some(id),
            Self::Swap { .. } | Self::Drain => None,
        }
    }

    /// Moves it to another line.
    pub(crate) fn move_to(&mut self, to: &LineId) {
        match self {
            Self::Generate(id)
            | Self::Brief(id)
            | Self::Embed(id)
            | Self::Load(id)
            | Self::Unload(id) => *id = to.clone(),
            Self::Swap { .. } | Self::Drain => {}
        }
    }
}
