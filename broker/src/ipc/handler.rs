//! From the body of a frame to a request, or to the end of the connection.

#[cfg(test)]
mod tests;

use core_wire::{
    client::ClientFrame,
    code::{Code, Refusal},
    frame::{self, FrameError},
    ids::{RequestId, SessionId},
};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// Where the request id starts in a body: after the sixteen bytes of the session id.
const ID_AT: usize = 16;

/// Why a connection ends after a frame.
#[derive(Debug, Error)]
pub(super) enum Violation {
    /// The frame carries another session's id, or none.
    #[error("a frame carries another session id")]
    Session,
    /// The frame is no message; the id is known when it stands where it should.
    #[error("{cause}")]
    Frame {
        /// The request that the frame would have been, as far as it can be told.
        id: Option<RequestId>,
        /// Why.
        cause: FrameError,
    },
}

impl Violation {
    /// The last frame that the peer gets, when there is a request to send it for.
    pub(super) fn farewell(&self) -> Option<(&RequestId, Refusal)> {
        match self {
            Self::Frame { id: Some(id), cause } => {
                Some((id, Refusal::new(Code::BadFrame, cause.to_string())))
            }
            Self::Frame { id: None, .. } | Self::Session => None,
        }
    }
}

/// Reads one body; the session id must be the one of this connection.
pub(super) fn read(body: &[u8], session: SessionId) -> Result<ClientFrame, Violation> {
    let frame: ClientFrame = frame::read_body(body).map_err(|cause| {
        let ours = body.get(..ID_AT).is_some_and(|bytes| same_session(bytes, session));
        Violation::Frame { id: if ours { request_id(body) } else { None }, cause }
    })?;
    if same_session(&frame.session.0, session) { Ok(frame) } else { Err(Violation::Session) }
}

/// The request id of a body that is otherwise broken: one byte of length, then that much text.
fn request_id(body: &[u8]) -> Option<RequestId> {
    let length = usize::from(*body.get(ID_AT)?);
    let text = body.get(ID_AT + 1..)?.get(..length)?;
    RequestId::try_from(String::from_utf8(text.to_vec()).ok()?).ok()
}

/// A session id is a capability, so it is compared without telling by time how much agreed.
fn same_session(bytes: &[u8], session: SessionId) -> bool {
    bool::from(bytes.ct_eq(&session.0))
}
