//! `corectl run --detach` and `corectl attach`: an answer that outlives the command.

use core_client::{DetachTicket, Detached, Done, Event, Events, FinishReason, RequestError};

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

/// Waits for the first token, which shows that it runs, and leaves the rest; shows all that came
/// before the ticket, for that is kept nowhere else.
pub(crate) async fn detach(
    mut events: Events,
    session: &Session,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let _running = session.interrupts.running(events.canceller());
    if let Some(done) = show_tokens(&mut events, 1, out).await? {
        return ended(done, out).await;
    }
    let detached = match session.client.detach(&mut events).await {
        Ok(detached) => detached,
        Err(refusal) => return not_left(events, refusal, out).await,
    };
    let rest = detached.first.saturating_sub(1);
    let shown = show_tokens(&mut events, rest, out).await;
    // Whatever became of the connection or the terminal: the ticket is good.
    tell(&detached, out).await?;
    shown.map(|_| Exit::Done)
}

/// What could not be left was over by then, and is shown to its end; or it is cancelled.
async fn not_left(
    mut events: Events,
    refusal: RequestError,
    out: &mut Out,
) -> Result<Exit, Failure> {
    events.cancel();
    match show_tokens(&mut events, u32::MAX, out).await? {
        Some(done) if done.finish_reason != Some(FinishReason::Cancelled) => ended(done, out).await,
        Some(_) | None => Err(refusal.into()),
    }
}

async fn ended(done: Done, out: &mut Out) -> Result<Exit, Failure> {
    if out.format() == Format::Json {
        out.json(&Line::done(&done)).await?;
    }
    Ok(End::Done(done).exit())
}

/// Shows the next tokens of a request; its end, if that comes before so many.
async fn show_tokens(
    events: &mut Events,
    mut tokens: u32,
    out: &mut Out,
) -> Result<Option<Done>, Failure> {
    // Ends with the request: every turn takes one of its events.
    while tokens > 0 {
        let event = events.next().await.ok_or(RequestError::Lost)??;
        let is_token = matches!(event, Event::Token { .. });
        match (out.format(), event) {
            (_, Event::Done(done)) => return Ok(Some(done)),
            (Format::Json, event) => {
                if let Some(line) = Line::of(&event, Completions::One) {
                    out.json(&line).await?;
                }
            }
            (Format::Human, Event::Token { text, .. }) => out.model_text(&text).await?,
            (Format::Human, _) => {}
        }
        tokens -= u32::from(is_token);
    }
    Ok(None)
}

async fn tell(detached: &Detached, out: &mut Out) -> Result<(), Failure> {
    let &Detached { ticket, keep_ms, first } = detached;
    let ticket = written(ticket);
    match out.format() {
        Format::Json => out.json(&Line::Detached { ticket, keep_ms, first }).await?,
        Format::Human => {
            out.own_text("\n").await?;
            out::note(&format!(
                "It goes on for {keep_ms} ms without a reader: `corectl attach {ticket} --from \
                 {first}` reads the rest, once."
            ));
        }
    }
    Ok(())
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
