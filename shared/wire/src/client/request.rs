//! What a client can ask.

use serde::{Deserialize, Serialize};

use super::params::{Params, bad};
use crate::{
    code::Refusal,
    ids::DetachTicket,
    limits::{CHAT_MESSAGES_MAX, CHAT_ROLE_BYTES_MAX},
};

/// One request.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Generate tokens; answered by `Queued`, `Token` and one `Done`.
    Generate(Box<Generate>),
    /// End another request of this session; answered by `Done` of the cancelling request, while the
    /// cancelled one gets its own terminal event.
    Cancel {
        /// The request to end.
        target: String,
    },
    /// The tokens of a text; answered by `Tokens`.
    Tokenize {
        /// The model whose vocabulary is used.
        model: String,
        /// The text.
        text: String,
        /// Whether the text stands at the start of a prompt or alone.
        special: Special,
    },
    /// The text of tokens; answered by `Text`.
    Detokenize {
        /// The model whose vocabulary is used.
        model: String,
        /// Token ids below the vocabulary's size.
        tokens: Vec<u32>,
    },
    /// Load a model now; answered by `Progress` and one `Loaded`.
    Load {
        /// The model.
        model: String,
    },
    /// End a model's worker; its running requests end first. Answered by `Loaded`.
    Unload {
        /// The model.
        model: String,
    },
    /// Every model that is known; answered by `Models`.
    Models,
    /// The state of the broker; answered by `Status`.
    Status,
    /// Every protection of every process; answered by `Audit`.
    Audit,
    /// Take no more work, finish what runs, then answer `Done`; the broker lives on.
    Drain,
    /// As `Drain`, then the broker ends.
    Shutdown,
    /// The embedding of a text; answered by `Embedding`.
    Embed {
        /// The model.
        model: String,
        /// The text, tokens or messages.
        input: Prompt,
    },
    /// Serve a model from another file: a new worker is loaded beside the old one, which finishes
    /// what it has. Answered by `Progress` and one `Loaded`; a file that cannot be served changes
    /// nothing.
    Swap {
        /// The model.
        model: String,
        /// A name beneath models/.
        file: String,
    },
    /// Write the last context of this session to a file of the broker's; answered by `Context`.
    Save {
        /// The model.
        model: String,
        /// What to call it; one of the same name and user is replaced.
        name: String,
    },
    /// Read a saved context into this session; answered by `Context`.
    Restore {
        /// The model.
        model: String,
        /// What it was called.
        name: String,
    },
    /// Compute a prompt once that every session may start from; answered by `Context`. Whoever
    /// sends a longer prompt can tell that this was its beginning.
    Publish {
        /// The model.
        model: String,
        /// What everybody may know.
        prompt: Prompt,
    },
    /// Forget all published prefixes of a model; answered by `Context`.
    Withdraw {
        /// The model.
        model: String,
    },
    /// Let a generation of this session outlive its connection; answered by `Detached`. It goes on
    /// here as long as the connection does.
    Detach {
        /// The request's name.
        target: String,
    },
    /// Adopt a detached generation: it goes on under the name of this request, from the token with
    /// the index `from` on; what came before is not told again. Any session of the same user may,
    /// once, until the ticket expires. Answered as the generation is.
    Attach {
        /// What `Detached` gave.
        ticket: DetachTicket,
        /// Tokens that the client has got.
        from: u32,
    },
}

// A request may hold a prompt; its debug form tells what it is and never what it says.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Generate(_) => "Generate(..)",
            Self::Cancel { .. } => "Cancel",
            Self::Tokenize { .. } => "Tokenize(..)",
            Self::Detokenize { .. } => "Detokenize(..)",
            Self::Load { .. } => "Load",
            Self::Unload { .. } => "Unload",
            Self::Models => "Models",
            Self::Status => "Status",
            Self::Audit => "Audit",
            Self::Drain => "Drain",
            Self::Shutdown => "Shutdown",
            Self::Embed { .. } => "Embed(..)",
            Self::Swap { .. } => "Swap",
            Self::Save { .. } => "Save",
            Self::Restore { .. } => "Restore",
            Self::Publish { .. } => "Publish(..)",
            Self::Withdraw { .. } => "Withdraw",
            Self::Detach { .. } => "Detach",
            Self::Attach { .. } => "Attach",
        })
    }
}

/// Which tokens that no text contains are added in front, as the model asks for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Special {
    /// As a prompt is tokenized: with the beginning-of-sequence token where the model wants one,
    /// and with the markers of the vocabulary recognised in the text.
    #[default]
    Prompt,
    /// Exactly the tokens of the characters; markers are read as plain text.
    Plain,
}

/// A request for tokens.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Generate {
    /// The model; text until the broker has parsed it.
    pub model: String,
    /// What to continue.
    pub prompt: Prompt,
    /// How.
    pub params: Params,
}

/// What to continue.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Prompt {
    /// Text, tokenized in the worker.
    Text(String),
    /// Token ids below the vocabulary's size, as they are: nothing is added.
    Tokens(Vec<u32>),
    /// Messages, rendered in the worker by the model's own template.
    Chat(Vec<ChatMessage>),
}

impl Prompt {
    /// Checks what can be checked without the model.
    ///
    /// # Errors
    /// `BAD_PARAMETER`: empty, too many messages, or a role that is empty or too long.
    pub fn check(&self) -> Result<(), Refusal> {
        match self {
            Self::Text(text) if text.is_empty() => Err(bad("the prompt is empty".into())),
            Self::Tokens(ids) if ids.is_empty() => Err(bad("the prompt has no tokens".into())),
            Self::Chat(messages) => check_chat(messages),
            Self::Text(_) | Self::Tokens(_) => Ok(()),
        }
    }
}

impl std::fmt::Debug for Prompt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Tokens(ids) => write!(f, "Tokens({})", ids.len()),
            Self::Chat(messages) => write!(f, "Chat({} messages)", messages.len()),
        }
    }
}

/// One message of a chat.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who speaks: `system`, `user`, `assistant`, or what the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl std::fmt::Debug for ChatMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChatMessage({} bytes)", self.content.len())
    }
}

fn check_chat(messages: &[ChatMessage]) -> Result<(), Refusal> {
    let count = messages.len();
    if !(1..=CHAT_MESSAGES_MAX).contains(&count) {
        return Err(bad(format!("{count} chat messages; 1 to {CHAT_MESSAGES_MAX} are allowed")));
    }
    match messages.iter().find(|m| !(1..=CHAT_ROLE_BYTES_MAX).contains(&m.role.len())) {
        Some(message) => Err(bad(format!(
            "a chat role has {} bytes; 1 to {CHAT_ROLE_BYTES_MAX} are allowed",
            message.role.len()
        ))),
        None => Ok(()),
    }
}
