//! What changes which models are there.

use core_wire::client::Request;

use super::Client;
use crate::{error::RequestError, events::Events};

impl Client {
    /// Loads a model now: `Progress`, then `Loaded`. Dropping the events does not stop
    /// it; [`Events::finish`] waits for its end alone.
    ///
    /// # Errors
    /// [`RequestError`] when it cannot be sent.
    pub async fn load(&self, model: &str) -> Result<Events, RequestError> {
        let model = model.into();
        self.open(None, Request::Load { model }).await
    }

    /// Ends a model's worker after the requests that it serves; answered as [`Client::load`].
    ///
    /// # Errors
    /// [`RequestError`] when it cannot be sent.
    pub async fn unload(&self, model: &str) -> Result<Events, RequestError> {
        let model = model.into();
        self.open(None, Request::Unload { model }).await
    }

    /// Serves a model from another file beneath models/: `Progress`, then `Loaded`. The old file
    /// serves until the new one is ready, and ends what it has; a file that cannot be served
    /// changes nothing. Dropping the events does not stop it.
    ///
    /// # Errors
    /// [`RequestError`] when it cannot be sent.
    pub async fn swap(&self, model: &str, file: &str) -> Result<Events, RequestError> {
        let (model, file) = (model.into(), file.into());
        self.open(None, Request::Swap { model, file }).await
    }
}
