//! Messages between a client and the broker.
//!
//! A client frame carries the session id and a request id of the client's choice; every server
//! frame carries that request id back. A request gets any number of [`Event`]s that are not
//! terminal, then exactly one that is. Enums are append only: their index is their tag.

pub mod audit;
pub mod deaths;
pub mod event;
pub mod params;
pub mod request;
pub mod status;

use serde::{Deserialize, Serialize};

pub use self::{
    event::{Choice, ContextInfo, Detached, Done, Event, FinishReason, ModelInfo, Timings, Usage},
    params::{Cache, Dry, Filters, Grammar, Params, Penalties, Priority, Xtc},
    request::{ChatMessage, Generate, Prompt, Request, Special},
};
use crate::ids::{RequestId, SessionId};

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientFrame {
    /// The session that the handshake ended with; any other ends the connection.
    pub session: SessionId,
    /// Names the request in both directions, unique among the session's open ones.
    pub id: RequestId,
    /// What is asked.
    pub request: Request,
}

/// What the broker sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerFrame {
    /// The request this belongs to.
    pub id: RequestId,
    /// What happened.
    pub event: Event,
}
