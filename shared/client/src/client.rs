//! The client itself: one method for each thing that can be asked.

mod adopt;
mod place;

use std::{fmt, path::Path, sync::Arc};

use core_wire::{
    client::{
        Event, Generate, ModelInfo, Prompt, Request, Special, audit::AuditProcess, status::Status,
    },
    ids::{InstanceId, RequestId},
    limits::{CLIENT_FRAME_BYTES_CEILING, CLIENT_FRAME_BYTES_MAX},
};

use crate::{
    connect,
    error::{ConnectError, ProtocolError, RequestError},
    events::{AtDrop, Events},
    link::Link,
    token::Token,
};

/// An authenticated connection to a broker.
///
/// Clones share the connection; it closes when the last clone and the last [`Events`] are dropped,
/// and the broker then ends whatever still runs on it. All methods can be called at once; requests
/// wait for each other only while the socket is full. No method has a deadline of its own, since a
/// model may take minutes to load: wrap it in `tokio::time::timeout` where one is wanted.
///
/// ```no_run
/// # use core_client::{Client, Special, RequestError};
/// # async fn example(client: Client) -> Result<(), RequestError> {
/// let tokens = client.tokenize("tiny", "The sea", Special::Prompt).await?;
/// let text = client.detokenize("tiny", tokens).await?;
/// assert_eq!(text, "The sea");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    link: Arc<Link>,
    instance: InstanceId,
}

impl Client {
    /// Connects to the broker at `socket`, and proves both sides to each other: neither sends the
    /// token, and a program that squats on the socket learns nothing. Must be called on a tokio
    /// runtime, which then carries the connection; takes at most [`crate::limits::HANDSHAKE_MAX`].
    ///
    /// # Errors
    /// [`ConnectError`]: each says what to do next.
    pub async fn connect(socket: &Path, token: &Token) -> Result<Self, ConnectError> {
        Self::connect_with(socket, token, CLIENT_FRAME_BYTES_MAX).await
    }

    /// As [`Client::connect`], for a broker whose `core.toml` raises what one request may measure.
    /// More than [`CLIENT_FRAME_BYTES_CEILING`] is taken as that: no broker allows more.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect_with(
        socket: &Path,
        token: &Token,
        frame_bytes_max: usize,
    ) -> Result<Self, ConnectError> {
        let opened = connect::open(socket, token).await?;
        let instance = opened.instance;
        let link = Link::start(opened, frame_bytes_max.min(CLIENT_FRAME_BYTES_CEILING));
        Ok(Self { link, instance })
    }

    /// Which life of the broker this is: it differs after every start.
    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// Generates: `Queued` while it waits, `Token` for each token, then `Done`. With
    /// several completions their tokens interleave, and each ends in a `Choice` before the `Done`.
    ///
    /// # Errors
    /// [`RequestError`] when it cannot be sent; a refusal by the broker comes with the events.
    pub async fn generate(&self, generate: Generate) -> Result<Events, RequestError> {
        self.open(None, Request::Generate(Box::new(generate))).await
    }

    /// As [`Client::generate`], under an id of the caller's choice: 1 to 64 bytes, not that of a
    /// request that is still open here.
    ///
    /// # Errors
    /// [`RequestError`]; `DUPLICATE_REQUEST` for an id that is open.
    pub async fn generate_as(
        &self,
        id: RequestId,
        generate: Generate,
    ) -> Result<Events, RequestError> {
        self.open(Some(id), Request::Generate(Box::new(generate))).await
    }

    /// Ends another request of this connection, and waits until the broker has heard of it. The
    /// other one gets its own terminal event; one that has ended already is left alone.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn cancel(&self, target: &RequestId) -> Result<(), RequestError> {
        let target = target.clone().into();
        self.done(Request::Cancel { target }).await
    }

    /// The tokens of a text.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn tokenize(
        &self,
        model: &str,
        text: &str,
        special: Special,
    ) -> Result<Vec<u32>, RequestError> {
        let request = Request::Tokenize { model: model.into(), text: text.into(), special };
        match self.ask(request).await? {
            Event::Tokens(tokens) => Ok(tokens),
            other => Err(no_answer(&other)),
        }
    }

    /// The text of tokens; bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn detokenize(&self, model: &str, tokens: Vec<u32>) -> Result<String, RequestError> {
        let model = model.into();
        match self.ask(Request::Detokenize { model, tokens }).await? {
            Event::Text(text) => Ok(text),
            other => Err(no_answer(&other)),
        }
    }

    /// The embedding of a text, of tokens or of messages: as many numbers as the model is wide, of
    /// length 1 together. Texts of similar meaning have a large inner product.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn embed(&self, model: &str, input: Prompt) -> Result<Vec<f32>, RequestError> {
        let model = model.into();
        match self.ask(Request::Embed { model, input }).await? {
            Event::Embedding(embedding) => Ok(embedding),
            other => Err(no_answer(&other)),
        }
    }

    /// Every model that the broker knows.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn models(&self) -> Result<Vec<ModelInfo>, RequestError> {
        match self.ask(Request::Models).await? {
            Event::Models(models) => Ok(models),
            other => Err(no_answer(&other)),
        }
    }

    /// The state of the broker.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn status(&self) -> Result<Status, RequestError> {
        match self.ask(Request::Status).await? {
            Event::Status(status) => Ok(*status),
            other => Err(no_answer(&other)),
        }
    }

    /// What protects each process, and how that is known.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn audit(&self) -> Result<Vec<AuditProcess>, RequestError> {
        match self.ask(Request::Audit).await? {
            Event::Audit(processes) => Ok(processes),
            other => Err(no_answer(&other)),
        }
    }

    /// Has the broker take no more work, and waits until what runs has ended. It lives on.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn drain(&self) -> Result<(), RequestError> {
        self.done(Request::Drain).await
    }

    /// As [`Client::drain`], then the broker ends.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn shutdown(&self) -> Result<(), RequestError> {
        self.done(Request::Shutdown).await
    }

    async fn done(&self, request: Request) -> Result<(), RequestError> {
        match self.ask(request).await? {
            Event::Done(_) => Ok(()),
            other => Err(no_answer(&other)),
        }
    }

    pub(crate) async fn ask(&self, request: Request) -> Result<Event, RequestError> {
        self.open(None, request).await?.finish().await
    }

    async fn open(&self, id: Option<RequestId>, request: Request) -> Result<Events, RequestError> {
        let at_drop = AtDrop::of(&request);
        self.link.open(id, request, at_drop).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}

/// What a terminal event means that is not the answer: the table lets only a cancelled request's
/// `Done` pass here.
pub(crate) fn no_answer(event: &Event) -> RequestError {
    match event {
        Event::Done(_) => RequestError::Cancelled,
        _ => ProtocolError::WrongEvent.into(),
    }
}
