//! A client that remembers all it heard, and when.

use std::time::{Duration, Instant};

use core_client::{
    Choice, Client, Done, Event, Events, FinishReason, Generate, Params, Priority, Prompt,
    RequestError, Status, Token,
};
use core_tests::harness::{Broker, Install};

/// Far above what any request here takes on a loaded machine: a test that hangs must fail instead.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a state is looked at that somebody waits for.
const LOOK_EACH: Duration = Duration::from_millis(5);
/// Tokens of a request that is to hold its slot until it is cancelled: more than a minute of them.
const ENDLESS: u32 = 30_000;

/// One token as a client got it.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) id: u32,
    pub(crate) choice: u32,
    pub(crate) at: Instant,
    pub(crate) top: Vec<(u32, f32)>,
}

/// All that was heard of a request.
pub(crate) struct Heard {
    pub(crate) sent: Instant,
    pub(crate) positions: Vec<u32>,
    pub(crate) waits_ms: Vec<u32>,
    /// How many tokens there were whenever it was told to wait in its middle.
    pub(crate) parked: Vec<usize>,
    /// How many tokens there were whenever it went on after its worker was lost.
    pub(crate) resumed: Vec<usize>,
    pub(crate) said: Vec<Said>,
    pub(crate) text: String,
    pub(crate) choices: Vec<Choice>,
    pub(crate) end: Result<Event, RequestError>,
    pub(crate) ended: Instant,
}

/// Runs a test's client on a runtime of its own.
pub(crate) fn talk<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

/// A new session.
pub(crate) async fn connect(broker: &Broker) -> Client {
    let token = Token::read_file(&broker.install.token_file()).expect("the token");
    Client::connect(&broker.install.socket(), &token).await.expect("a connection")
}

/// A broker with `core.toml` and the model `long`, which is loaded.
pub(crate) fn broker_with(config: &str) -> Broker {
    let install = Install::new().expect("an installation");
    install.add_long().expect("a model");
    std::fs::write(install.root().join("core.toml"), config).expect("written");
    let broker = Broker::start(install, &[]).expect("a broker");
    broker.load("long");
    broker
}

/// A broker with `core.toml` and the model `story`, which is loaded.
pub(crate) fn story_with(config: &str) -> Broker {
    let install = Install::new().expect("an installation");
    install.add_story().expect("a model");
    std::fs::write(install.root().join("core.toml"), config).expect("written");
    let broker = Broker::start(install, &[]).expect("a broker");
    broker.load("story");
    broker
}

/// A greedy request of exactly `max_tokens` tokens.
pub(crate) fn greedy(model: &str, prompt: impl Into<Given>, max_tokens: u32) -> Generate {
    let Given(prompt) = prompt.into();
    let params = Params { max_tokens, temperature: 0.0, ignore_eos: true, ..Params::default() };
    Generate { model: model.into(), prompt, params }
}

/// The same in another class.
pub(crate) fn of_class(priority: Priority, mut request: Generate) -> Generate {
    request.params.priority = priority;
    request
}

/// Text, or so many ids.
pub(crate) struct Given(Prompt);

impl From<&str> for Given {
    fn from(text: &str) -> Self {
        Self(Prompt::Text(text.into()))
    }
}

impl From<usize> for Given {
    /// Ids that every generated vocabulary has, above its control tokens.
    fn from(count: usize) -> Self {
        Self(Prompt::Tokens((300..500).cycle().take(count).collect()))
    }
}

/// Sends a request and hears it to its end.
pub(crate) async fn ask(client: &Client, request: Generate) -> Heard {
    let sent = Instant::now();
    let events = client.generate(request).await.expect("it can be sent");
    hear(events, sent).await
}

/// Hears a request to its end.
pub(crate) async fn hear(events: Events, sent: Instant) -> Heard {
    Heard::new(sent).rest(events).await
}

/// Waits until the broker's state is so.
pub(crate) async fn until(client: &Client, so: impl Fn(&Status) -> bool) {
    let look = async {
        while !so(&client.status().await.expect("a state")) {
            tokio::time::sleep(LOOK_EACH).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the state comes in time");
}

/// A request to `long` that has its first token, and goes on until somebody cancels it.
pub(crate) async fn endless(client: &Client) -> Events {
    let mut events = client.generate(greedy("long", 8, ENDLESS)).await.expect("it can be sent");
    let mut heard = Heard::new(Instant::now());
    heard.until(&mut events, |heard| !heard.said.is_empty()).await;
    assert!(!heard.said.is_empty(), "no token but {:?}", heard.end);
    events
}

impl Heard {
    /// Nothing yet.
    pub(crate) fn new(sent: Instant) -> Self {
        Self {
            sent,
            positions: Vec::new(),
            waits_ms: Vec::new(),
            parked: Vec::new(),
            resumed: Vec::new(),
            said: Vec::new(),
            text: String::new(),
            choices: Vec::new(),
            end: Err(RequestError::Lost),
            ended: sent,
        }
    }

    /// Hears on until that is so, or the request has ended.
    pub(crate) async fn until(&mut self, events: &mut Events, so: impl Fn(&Self) -> bool) {
        let all = async {
            while let Some(event) = events.next().await {
                let terminal = event.as_ref().map_or(true, Event::is_terminal);
                self.event(event);
                if terminal || so(self) {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("it comes to that in time");
    }

    /// Hears the rest.
    pub(crate) async fn rest(mut self, mut events: Events) -> Self {
        self.until(&mut events, |_| false).await;
        let more = tokio::time::timeout(PATIENCE, events.next()).await.expect("it is closed");
        assert!(more.is_none(), "something follows the terminal event");
        self
    }

    fn event(&mut self, event: Result<Event, RequestError>) {
        self.ended = Instant::now();
        match event {
            Ok(Event::Queued { position, wait_ms }) => {
                self.positions.push(position);
                self.waits_ms.extend(wait_ms);
                if !self.said.is_empty() {
                    self.parked.push(self.said.len());
                }
            }
            Ok(Event::Token { id, text, choice, top, .. }) => {
                self.text.push_str(&text);
                self.said.push(Said { id, choice, at: self.ended, top });
            }
            Ok(Event::Choice(choice)) => self.choices.push(choice),
            Ok(Event::Progress { .. }) => {}
            Ok(Event::Resumed { tokens }) => {
                assert_eq!(tokens as usize, self.said.len(), "it knows what was told");
                self.resumed.push(self.said.len());
            }
            end => self.end = end,
        }
    }

    /// The ids of one of several completions.
    pub(crate) fn ids_of(&self, choice: u32) -> Vec<u32> {
        self.said.iter().filter(|said| said.choice == choice).map(|said| said.id).collect()
    }

    /// Its good end.
    pub(crate) fn done(&self) -> Done {
        match &self.end {
            Ok(Event::Done(done)) => done.clone(),
            other => panic!("no good end but {other:?}"),
        }
    }

    /// Asserts that it came to its full length, and that nothing held it up for long.
    pub(crate) fn was_undisturbed(&self, tokens: u32, pause_max: Duration) {
        assert_eq!(self.done().finish_reason, Some(FinishReason::Length));
        assert_eq!(self.said.len(), tokens as usize);
        let pauses = self.said.windows(2).map(|pair| pair[1].at - pair[0].at);
        let longest = pauses.max().unwrap_or_default();
        assert!(longest <= pause_max, "it stood still for {longest:?}");
    }

    /// The name of the error that it ended in, and its sentence.
    pub(crate) fn refusal(&self) -> (&'static str, String) {
        match &self.end {
            Err(RequestError::Refused(refusal)) => (refusal.code.name(), refusal.message.clone()),
            other => panic!("no refusal but {other:?}"),
        }
    }
}
