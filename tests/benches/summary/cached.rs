//! How soon the first token comes when the session has computed most of the prompt before.

use core_client::{Client, Prompt};
use core_tests::harness::{Broker, Setup};
use core_wire::client::{Cache, Priority};

use crate::{
    STEP_MS_MAX, Served,
    report::{Report, median},
    rounds,
    stream::{self, Times},
    unload,
};

/// The large model with room for what its sessions leave behind.
pub(crate) const MODEL: &str = "m164-cached";
/// Half of the idle cells are those of the prefix.
pub(crate) const SERVED: Served =
    Served { model: MODEL, n_ctx: 16_384, slots: 2, step_ms_max: STEP_MS_MAX };
/// Tokens that are computed once: a system prompt with a few examples, or a short conversation.
const PREFIX: usize = 1000;
/// Tokens that the next prompt has beyond them: a short question.
const QUESTION: usize = 8;
/// Rounds; each takes three prompts of the prefix's length, a second or two each.
const ROUNDS: usize = 9;

/// Measures first tokens cold, with the prefix, and in another session that sends the same.
///
/// # Errors
/// A request fails, or is served from a cache that is not its own.
pub(crate) fn measure(broker: &Broker, report: &mut Report) -> Setup<()> {
    broker.load(MODEL);
    let (mut cold, mut cached, mut other) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds(ROUNDS)? {
        let [first, again, elsewhere] = stream::block_on(sessions(broker, round))?;
        cold.push(first);
        cached.push(again);
        other.push(elsewhere);
    }
    report.raw("cached", 0, &[("cold_ms", &cold), ("cached_ms", &cached), ("other_ms", &other)]);
    report.figure("ttft_cold_ms", median(&cold));
    report.figure("ttft_cached_over_cold", median(&cached) / median(&cold));
    report.figure("ttft_other_session_over_cold", median(&other) / median(&cold));
    unload(broker, MODEL)
}

/// One round: the first time, again with a question behind it, and the same in another session.
async fn sessions(broker: &Broker, round: usize) -> Setup<[f64; 3]> {
    let (own, stranger) = (stream::connect(broker).await?, stream::connect(broker).await?);
    let first = ask(&own, prompt(round, 0), 0).await?;
    let least = u32::try_from(PREFIX)?;
    let again = ask(&own, prompt(round, QUESTION), least).await?;
    let elsewhere = ask(&stranger, prompt(round, QUESTION), 0).await?;
    Ok([first.first_ms()?, again.first_ms()?, elsewhere.first_ms()?])
}

/// Asks for one token, and checks that so many of the prompt's tokens were found, or none.
async fn ask(client: &Client, prompt: Prompt, cached: u32) -> Setup<Times> {
    let mut request = stream::greedy(MODEL, prompt, 1, Priority::Normal);
    request.params.cache = Cache::Session;
    let times = stream::run(client.clone(), request).await?;
    let found = times.done.usage.cached_tokens;
    let right = if cached == 0 { found == 0 } else { found + 1 >= cached };
    if right { Ok(times) } else { Err(format!("{found} tokens cached, not {cached}").into()) }
}

/// The prefix of a round, which no other round shares, with so many tokens behind it.
fn prompt(round: usize, question: usize) -> Prompt {
    let (Prompt::Tokens(mut ids), Prompt::Tokens(more)) =
        (stream::ids(PREFIX, round), stream::ids(question, round + ROUNDS))
    else {
        unreachable!("prompts of ids are ids")
    };
    ids.extend(more);
    Prompt::Tokens(ids)
}
