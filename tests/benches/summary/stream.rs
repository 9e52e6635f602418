//! Requests of a client that looks at the clock.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use core_client::{Client, Events, Token};
use core_tests::harness::{Broker, Setup};
use core_wire::client::{Cache, Done, Event, Generate, Params, Priority, Prompt};

/// The longest that one request may take: twice what the longest, a prompt of 8k tokens beside a
/// chat, takes on two cores that others use too.
const REQUEST_MAX: Duration = Duration::from_secs(400);
/// Ids of a prompt made of ids: above the control tokens of the generated vocabularies, and below
/// the smallest of them.
const IDS: (u32, u32) = (300, 4000);
/// An odd number whose multiples look random in their upper half.
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

/// When the tokens of a request came.
pub(crate) struct Times {
    /// When it was sent.
    pub(crate) start: Instant,
    /// When each of its tokens came.
    pub(crate) tokens: Vec<Instant>,
    /// Its end.
    pub(crate) done: Done,
}

/// Runs a part's client on a runtime of its own.
///
/// # Errors
/// The part's.
pub(crate) fn block_on<T>(work: impl Future<Output = Setup<T>>) -> Setup<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Connects to the broker.
///
/// # Errors
/// There is no connection.
pub(crate) async fn connect(broker: &Broker) -> Setup<Client> {
    let token = Token::read_file(&broker.install.token_file())?;
    Ok(Client::connect(&broker.install.socket(), &token).await?)
}

/// A greedy request that runs to its length, computed from its first token on: what is compared
/// with the bare engine or with itself must not get faster by being repeated.
pub(crate) fn greedy(model: &str, prompt: Prompt, max_tokens: u32, priority: Priority) -> Generate {
    let (temperature, ignore_eos, cache) = (0.0, true, Cache::Off);
    let params =
        Params { max_tokens, temperature, ignore_eos, priority, cache, ..Params::default() };
    Generate { model: model.into(), prompt, params }
}

/// A prompt of random ids; another seed gives another prompt from its first token on, so that no
/// cache can serve it.
pub(crate) fn ids(count: usize, seed: usize) -> Prompt {
    let (low, high) = IDS;
    let mixed = |n: usize| ((seed * count + n) as u64 + 1).wrapping_mul(MIX) >> 33;
    let ids =
        (0..count).map(|n| low + u32::try_from(mixed(n) % u64::from(high - low)).unwrap_or(0));
    Prompt::Tokens(ids.collect())
}

/// Sends a request and follows it to its end.
///
/// # Errors
/// It ends in anything but `done`, or takes longer than anything here should.
pub(crate) async fn run(client: Client, generate: Generate) -> Setup<Times> {
    let start = Instant::now();
    follow(client.generate(generate).await?, start).await
}

/// Follows a request that was sent at `start`.
///
/// # Errors
/// As [`run`].
pub(crate) async fn follow(mut events: Events, start: Instant) -> Setup<Times> {
    let followed = async {
        let mut tokens = Vec::new();
        while let Some(event) = events.next().await {
            match event? {
                Event::Token { .. } => tokens.push(Instant::now()),
                Event::Done(done) => return Ok(Times { start, tokens, done }),
                _ => {}
            }
        }
        Err("a request without an end".into())
    };
    tokio::time::timeout(REQUEST_MAX, followed).await?
}

impl Times {
    /// Milliseconds from the request to its first token.
    ///
    /// # Errors
    /// There was none.
    pub(crate) fn first_ms(&self) -> Setup<f64> {
        let first = self.tokens.first().ok_or("a request without a token")?;
        Ok(ms(*first - self.start))
    }

    /// Milliseconds between its tokens, as far as both came within `from` and `to`.
    pub(crate) fn gaps(&self, from: Instant, to: Instant) -> impl Iterator<Item = f64> {
        let within = move |pair: &&[Instant]| from <= pair[0] && pair[1] <= to;
        self.tokens.windows(2).filter(within).map(|pair| ms(pair[1] - pair[0]))
    }
}

/// Milliseconds.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
