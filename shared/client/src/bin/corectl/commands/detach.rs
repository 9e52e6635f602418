//! `corectl run --detach` and `corectl attach`: an answer that outlives the command.

use core_client::{DetachTicket, Event, Events, RequestError};

use super::{
    generate::{self, Asked, End},
    session::{Session, Target},
};
use crate::{
    cli::AttachArgs,
    failure::{Exit, Failure},
    out::{
        self, Format, Out,
        json::{Completions, Line},
    },
};

/// Waits for the first token, which shows that it runs, shows it, and leaves the rest.
pub(crate) async fn detach(
    mut events: Events,
    session: &Session,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let _running = session.interrupts.running(events.canceller());
    // Ends with the request: every turn takes one of its events.
    while let Some(event) = events.next().await {
        let event = event?;
        match (out.format(), &event) {
            (Format::Json, event) => {
                if let Some(line) = Line::of(event, Completions::One) {
                    out.json(&line).await?;
                }
            }
            (Format::Human, Event::Token { text, .. }) => out.model_text(text).await?,
            (Format::Human, _) => {}
        }
        match event {
            Event::Token { .. } => return leave(&mut events, session, out).await,
            Event::Done(done) => return Ok(End::Done(done).exit()),
            _ => {}
        }
    }
    Err(RequestError::Lost.into())
}

async fn leave(events: &mut Events, session: &Session, out: &mut Out) -> Result<Exit, Failure> {
    let detached = session.client.detach(events).await?;
    let (ticket, keep_ms) = (written(detached.ticket), detached.keep_ms);
    match out.format() {
        Format::Json => out.json(&Line::Detached { ticket, keep_ms }).await?,
        Format::Human => {
            out.own_text("\n").await?;
            out::note(&format!(
                "It goes on for {keep_ms} ms without a reader: `corectl attach {ticket}` reads the \
                 rest, once."
            ));
        }
    }
    Ok(Exit::Done)
}

/// Reads on where a detached run was left.
pub(crate) async fn attach(
    args: &AttachArgs,
    target: Target,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let ticket = read(&args.ticket)?;
    let session = target.connect().await?;
    let events = session.client.attach(ticket, args.from).await?;
    let shown = generate::show(events, Asked::one("the model"), &session, out).await?;
    if let (Format::Human, End::Done(done)) = (out.format(), &shown.end) {
        out::note(&generate::summary(done));
    }
    Ok(shown.end.exit())
}

/// A ticket as it is typed: 32 hexadecimal digits.
pub(super) fn written(ticket: DetachTicket) -> String {
    ticket.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The ticket that was typed.
pub(super) fn read(text: &str) -> Result<DetachTicket, Failure> {
    let number = (text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten();
    let number = number.ok_or_else(|| {
        Failure::Usage("a ticket is 32 hexadecimal digits, as `corectl run --detach` prints".into())
    })?;
    Ok(DetachTicket(number.to_be_bytes()))
}
