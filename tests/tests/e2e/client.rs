//! The client library against a broker of the harness, for what `corectl` has no option for.

use core_client::{Client, Token};
use core_tests::harness::{Broker, Setup};
use core_wire::{
    client::{Choice, Done, Event, Generate, Params, Prompt},
    code::Refusal,
};

/// Everything that one request was told, by completion.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The ids of each completion's tokens.
    pub(crate) tokens: Vec<Vec<u32>>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) done: Option<Done>,
    pub(crate) error: Option<Refusal>,
}

/// Runs something that waits.
pub(crate) fn wait<T>(future: impl Future<Output = Setup<T>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future).expect("no error of the client")
}

pub(crate) async fn connect(broker: &Broker) -> Setup<Client> {
    let token = Token::read_file(&broker.install.token_file())?;
    Ok(Client::connect(&broker.install.socket(), &token).await?)
}

/// Sends one request and hears all that it is told.
pub(crate) async fn generate(client: &Client, generate: Generate) -> Setup<Told> {
    let mut told = Told { tokens: vec![Vec::new()], ..Told::default() };
    let mut events = client.generate(generate).await?;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Token { id, choice, .. }) => {
                let choice = usize::try_from(choice)?;
                told.tokens.resize(told.tokens.len().max(choice + 1), Vec::new());
                told.tokens[choice].push(id);
            }
            Ok(Event::Choice(choice)) => told.choices.push(choice),
            Ok(Event::Done(done)) => told.done = Some(done),
            Ok(Event::Error(refusal)) => told.error = Some(refusal),
            Ok(_) => {}
            Err(core_client::RequestError::Refused(refusal)) => told.error = Some(refusal),
            Err(other) => return Err(other.into()),
        }
    }
    Ok(told)
}

pub(crate) fn ask(model: &str, prompt: &str, params: Params) -> Generate {
    Generate { model: model.into(), prompt: Prompt::Text(prompt.into()), params }
}
