//! Names of things, each a type of its own so that one cannot be passed for another.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::{CONTEXT_NAME_BYTES_MAX, MODEL_ID_BYTES_MAX, REQUEST_ID_BYTES_MAX};

/// A session: 16 random bytes that the broker chose, bound to the connection that made it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionId(pub [u8; 16]);

/// One life of a broker: 16 random bytes, new at each start, part of the handshake's transcript.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceId(pub [u8; 16]);

/// A request on its way through one worker; never used twice in a broker's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub u64);

/// Whose cached cells may serve a job (decision D11): one for each session, never used twice in a
/// broker's life, and one that everybody may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DomainId(pub u64);

impl DomainId {
    /// Prefixes that Control published: readable in every domain.
    pub const PUBLIC: Self = Self(0);
}

/// Adopts a request whose connection may end: 16 random bytes, good once and for a while.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DetachTicket(pub [u8; 16]);

// Session ids and tickets are capabilities: they must not reach a log by accident.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

impl fmt::Debug for DetachTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DetachTicket(..)")
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstanceId(..)")
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A request id that the client chose: 1 to 64 bytes of UTF-8, unique among its open requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId(String);

impl RequestId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RequestId {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        match text.len() {
            1..=REQUEST_ID_BYTES_MAX => Ok(Self(text)),
            bytes => Err(BadId::RequestLength { bytes }),
        }
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> Self {
        id.0
    }
}

/// A model's name: the stem of its file, or what `core.toml` calls it.
///
/// 1 to 128 printable ASCII characters, no slash or backslash, not starting with a dot: it can be
/// joined to a directory, shown on a terminal and logged as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelId(String);

impl ModelId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ModelId {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        if !(1..=MODEL_ID_BYTES_MAX).contains(&text.len()) {
            // guard
            return Err(BadId::ModelLength { bytes: text.len() });
        }
        if text.starts_with('.') {
            // guard
            return Err(BadId::ModelDot);
        }
        match text.chars().find(|&c| !allowed_in_model_id(c)) {
            Some(found) => Err(BadId::ModelCharacter { found }),
            None => Ok(Self(text)),
        }
    }
}

impl From<ModelId> for String {
    fn from(id: ModelId) -> Self {
        id.0
    }
}

/// The name of a saved context: 1 to 64 letters, digits, `-`, `_` and dots, no dot in front. It is
/// a part of a file's name, so it can neither leave a directory nor hide in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContextName(String);

impl ContextName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ContextName {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let length = 1..=CONTEXT_NAME_BYTES_MAX;
        if length.contains(&text.len()) && !text.starts_with('.') && text.chars().all(plain) {
            return Ok(Self(text));
        }
        Err(BadId::Context { bytes: text.len() })
    }
}

impl From<ContextName> for String {
    fn from(name: ContextName) -> Self {
        name.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Printable ASCII but the separators: no control or bidirectional characters, no path.
fn allowed_in_model_id(c: char) -> bool {
    (c.is_ascii_graphic() || c == ' ') && c != '/' && c != '\\'
}

/// Why a text is no id.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadId {
    /// A request id is empty or too long.
    #[error("a request id has {bytes} bytes; 1 to {REQUEST_ID_BYTES_MAX} are allowed")]
    RequestLength {
        /// Its length.
        bytes: usize,
    },
    /// A model id is empty or too long.
    #[error("a model id has {bytes} bytes; 1 to {MODEL_ID_BYTES_MAX} are allowed")]
    ModelLength {
        /// Its length.
        bytes: usize,
    },
    /// A model id could name a hidden file or a parent directory.
    #[error("a model id starts with a dot; name the file's stem as `corectl models` lists it")]
    ModelDot,
    /// The name of a saved context is empty, too long, or no plain name.
    #[error(
        "a context's name has {bytes} bytes; 1 to {CONTEXT_NAME_BYTES_MAX} letters, digits, `-`, \
         `_` and dots are allowed, and no dot in front"
    )]
    Context {
        /// Its length.
        bytes: usize,
    },
    /// A model id could leave its directory or disturb a terminal.
    #[error("a model id contains {found:?}; only printable ASCII without slashes is allowed")]
    ModelCharacter {
        /// The first character that is not allowed; `Debug` escapes it.
        found: char,
    },
}
