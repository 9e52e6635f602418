//! Control's side of core-runtime: start a broker, connect to it, stream tokens.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use core_client::{Client, Event, Generate, Params, Prompt, Token};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let token = Token::read_file(Path::new("/run/user/1000/core/token"))?;
//! let client = Client::connect(Path::new("/run/user/1000/core/core.sock"), &token).await?;
//! let mut events = client
//!     .generate(Generate {
//!         model: "tiny".into(),
//!         prompt: Prompt::Text("The sea".into()),
//!         params: Params { max_tokens: 32, ..Params::default() },
//!     })
//!     .await?;
//! while let Some(event) = events.next().await {
//!     match event? {
//!         Event::Token { text, .. } => print!("{text}"),
//!         Event::Done(done) => println!("\n{:?}", done.usage),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Params`] says how tokens are chosen, what the answer has to be ([`Grammar`]), how many
//! completions are wanted and who may wait ([`Priority`]); what it does not name keeps its default:
//!
//! ```
//! use core_client::{Grammar, Params, Priority};
//!
//! let schema = r#"{"type": "object", "properties": {"name": {"type": "string"}}}"#;
//! let params = Params {
//!     grammar: Some(Grammar::JsonSchema(schema.into())),
//!     n: 3,
//!     priority: Priority::Batch,
//!     ..Params::default()
//! };
//! assert!(params.check().is_ok());
//! ```
//!
//! What a session computed is kept for its next prompt unless [`Params::cache`] says otherwise, and
//! forgotten with it; [`Client::save`] and [`Client::restore`] carry it to another one, and
//! [`Client::publish`] gives the beginning of a prompt to all.
//!
//! With `n` above 1 each token names its completion, each completion ends in an [`Event::Choice`],
//! and [`Events::collect_all`] takes them apart; [`Client::embed`] gives the embedding of a text.
//!
//! A generation can outlive its connection: [`Client::detach`] gives a ticket for it, and with that
//! [`Client::attach`] goes on reading where somebody stopped, also in another process.
//!
//! ```no_run
//! # use core_client::{Client, Events, RequestError};
//! # async fn example(one: Client, mut events: Events, other: Client) -> Result<(), RequestError> {
//! let detached = one.detach(&mut events).await?;
//! let read = 12; // tokens that `events` has given
//! drop((events, one));
//! let mut events = other.attach(detached.ticket, read).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Many requests run at once on one connection. [`Client`] is cheap to clone; every request has its
//! own [`Events`], which end in exactly one terminal event or one error, also when the connection
//! breaks. [`Launch`] starts a broker that lives and dies with the program that started it.
//! `examples/control.rs` is a whole program.
//!
//! What a broker sends is checked before it is believed: lengths before memory is taken, request
//! ids and event kinds against what was asked. The bounds stand in [`limits`].

#![forbid(unsafe_code)]

mod client;
mod connect;
mod contexts;
mod error;
mod events;
mod launch;
pub mod limits;
mod link;
mod metrics;
#[cfg(test)]
mod tests;
mod token;

pub use core_wire as wire;
pub use core_wire::{
    client::{
        Cache, ChatMessage, Choice, ContextInfo, Detached, Done, Dry, Event, Filters, FinishReason,
        Generate, Grammar, ModelInfo, Params, Penalties, Priority, Prompt, Special, Timings, Usage,
        Xtc,
        audit::{AuditProcess, AuditRow},
        event::ModelState,
        status::Status,
    },
    code::{Code, Refusal},
    ids::{DetachTicket, InstanceId, RequestId},
};

pub use self::{
    client::Client,
    error::{ConnectError, ProtocolError, RequestError},
    events::{Answer, Canceller, Completion, Events},
    launch::{Broker, Launch, LaunchError, Ready},
    metrics::openmetrics,
    token::{Token, TokenError, TokenFileError},
};
