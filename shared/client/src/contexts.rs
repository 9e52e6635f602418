//! What is computed once and used again: saved contexts and published prefixes.

use core_wire::client::{ContextInfo, Event, Prompt, Request};

use crate::{
    client::{Client, no_answer},
    error::RequestError,
};

impl Client {
    /// Saves what this session computed last with a model: the prompt of its last request, with the
    /// answer. The broker keeps it under `name` for the user at this end until newer ones take its
    /// place (`[cache] quota_mib`); one of the same name is replaced.
    ///
    /// # Errors
    /// [`RequestError`]; `BAD_PARAMETER` when there is nothing to save, `QUEUE_FULL` while another
    /// context passes, `MEMORY` for one that is too large.
    pub async fn save(&self, model: &str, name: &str) -> Result<ContextInfo, RequestError> {
        let (model, name) = (model.into(), name.into());
        self.context(Request::Save { model, name }).await
    }

    /// Reads a saved context into this session: a prompt that begins with its tokens is not
    /// computed again. Loads the model where it is not.
    ///
    /// # Errors
    /// [`RequestError`]; `UNKNOWN_CONTEXT` when this user saved none of that name for the model,
    /// `CONTEXT_CHANGED` when the model, the broker or their settings are not those that saved it,
    /// `CONTEXT_BROKEN` for a file that is not as it was written.
    pub async fn restore(&self, model: &str, name: &str) -> Result<ContextInfo, RequestError> {
        let (model, name) = (model.into(), name.into());
        self.context(Request::Restore { model, name }).await
    }

    /// Computes a prompt that every session may start from, now and in later workers of the model,
    /// until it is withdrawn or the broker ends. Whoever sends a longer prompt can tell by time
    /// that this was its beginning: publish nothing that is secret.
    ///
    /// # Errors
    /// [`RequestError`]; `BAD_PARAMETER` when 16 are published.
    pub async fn publish(&self, model: &str, prompt: Prompt) -> Result<ContextInfo, RequestError> {
        self.context(Request::Publish { model: model.into(), prompt }).await
    }

    /// Withdraws all published prefixes of a model.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn withdraw(&self, model: &str) -> Result<ContextInfo, RequestError> {
        self.context(Request::Withdraw { model: model.into() }).await
    }

    async fn context(&self, request: Request) -> Result<ContextInfo, RequestError> {
        match self.ask(request).await? {
            Event::Context(info) => Ok(info),
            other => Err(no_answer(&other)),
        }
    }
}
