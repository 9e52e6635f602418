//! `corectl drain` and `corectl shutdown`.

use super::session::Target;
use crate::{
    failure::{Exit, Failure},
    out::{self, Format, Out, json::Line},
};

/// Lets running requests finish; the broker lives on.
pub(crate) async fn drain(target: Target, out: &mut Out) -> Result<Exit, Failure> {
    target.connect().await?.client.drain().await?;
    obeyed("The broker is drained: nothing runs, and it takes no new requests.", out).await
}

/// Ends the broker.
pub(crate) async fn shutdown(target: Target, out: &mut Out) -> Result<Exit, Failure> {
    target.connect().await?.client.shutdown().await?;
    obeyed("The broker has finished its requests and ends.", out).await
}

async fn obeyed(sentence: &str, out: &mut Out) -> Result<Exit, Failure> {
    match out.format() {
        Format::Json => out.json(&Line::obeyed()).await?,
        Format::Human => out::note(sentence),
    }
    Ok(Exit::Done)
}
