//! `corectl run --detach` and `corectl attach`: an answer that outlives the command.

use std::time::Duration;

use core_client::{DetachTicket, Event, Events, RequestError, limits::WAITING_EVENTS_MAX};
use tokio::time::timeout;

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

/// Waits for the first token, which shows that it runs, shows what was said by the time that there
/// is a ticket, and leaves the rest.
pub(crate) async fn detach(
    mut events: Events,
    session: &Session,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let _running = session.interrupts.running(events.canceller());
    // Ends with the request: every turn takes one of its events.
    while let Some(event) = events.next().await {
        let event = event?;
        show(&event, out).await?;
        match event {
            Event::Token { .. } => return leave(&mut events, session, out).await,
            Event::Done(done) => return Ok(End::Done(done).exit()),
            _ => {}
        }
    }
    Err(RequestError::Lost.into())
}

async fn show(event: &Event, out: &mut Out) -> Result<(), Failure> {
    match (out.format(), event) {
        (Format::Json, event) => match Line::of(event, Completions::One) {
            Some(line) => out.json(&line).await,
            None => Ok(()),
        },
        (Format::Human, Event::Token { text, .. }) => out.model_text(text).await,
        (Format::Human, _) => Ok(()),
    }
}

async fn leave(events: &mut Events, session: &Session, out: &mut Out) -> Result<Exit, Failure> {
    let detached = match session.client.detach(events).await {
        Ok(detached) => detached,
        Err(error) => return ended_meanwhile(events, error, out).await,
    };
    let from = 1 + said_meanwhile(events, out).await?;
    let (ticket, keep_ms) = (written(detached.ticket), detached.keep_ms);
    match out.format() {
        Format::Json => out.json(&Line::Detached { ticket, keep_ms, from }).await?,
        Format::Human => {
            out.own_text("\n").await?;
            out::note(&format!(
                "It goes on for {keep_ms} ms without a reader: `corectl attach {ticket} --from \
                 {from}` reads the rest, once."
            ));
        }
    }
    Ok(Exit::Done)
}

/// Shows what came between the first token and the ticket, which is not kept by the broker: it was
/// told before the ticket was, so it is here by now. Answers how many tokens those are.
async fn said_meanwhile(events: &mut Events, out: &mut Out) -> Result<u32, Failure> {
    let mut tokens = 0;
    for _ in 0..WAITING_EVENTS_MAX {
        // Whatever comes from now on is kept as well.
        match timeout(Duration::ZERO, events.next()).await {
            Ok(Some(Ok(event @ Event::Token { .. }))) => {
                show(&event, out).await?;
                tokens += 1;
            }
            Ok(Some(Ok(event))) if !event.is_terminal() => {}
            Ok(Some(_) | None) | Err(_) => break,
        }
    }
    Ok(tokens)
}

/// A short answer may be over before it could be detached: then all of it is here.
async fn ended_meanwhile(
    events: &mut Events,
    error: RequestError,
    out: &mut Out,
) -> Result<Exit, Failure> {
    // Ends with what has come by now: every turn takes one event.
    while let Ok(Some(event)) = timeout(Duration::ZERO, events.next()).await {
        let event = event?;
        show(&event, out).await?;
        if let Event::Done(done) = event {
            return Ok(End::Done(done).exit());
        }
    }
    Err(error.into())
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
