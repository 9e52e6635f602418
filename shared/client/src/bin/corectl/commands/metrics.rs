//! `corectl metrics`.

use core_client::openmetrics;

use super::session::Target;
use crate::{
    failure::{Exit, Failure},
    out::Out,
};

/// Prints the broker's numbers as OpenMetrics text, with and without `--json`.
pub(crate) async fn run(target: Target, out: &mut Out) -> Result<Exit, Failure> {
    let status = target.connect().await?.client.status().await?;
    out.own_text(&openmetrics(&status)).await?;
    Ok(Exit::Done)
}
