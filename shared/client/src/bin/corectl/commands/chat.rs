//! `corectl chat`: a conversation, rendered by the model's own template.

use std::io::Write;

use core_client::{ChatMessage, Generate, Params, Prompt, RequestError};

use super::{
    contexts,
    generate::{self, Asked, End, Shown},
    session::{Session, Target},
};
use crate::{
    cli::ChatArgs,
    failure::{Exit, Failure},
    input::{self, Lines},
    out::{self, Format, Out},
};

const INTRODUCTION: &str = "\
     Every line is a message. /new starts over, /quit or Ctrl-D ends, Ctrl-C cancels an answer. \
     /save NAME keeps what was computed, /restore NAME takes it for the same messages.";
const USER: &str = "user";
const ASSISTANT: &str = "assistant";

/// Talks until the input ends. What a person types may be refused and tried again; a script ends
/// at the first refusal.
pub(crate) async fn run(
    mut args: ChatArgs,
    target: Target,
    out: &mut Out,
) -> Result<Exit, Failure> {
    let mut chat = Chat {
        params: args.params()?,
        model: args.model,
        messages: Vec::new(),
        session: target.connect().await?,
    };
    let typist = match input::is_terminal() && out.format() == Format::Human {
        true => Typist::Person,
        false => Typist::Script,
    };
    typist.say(INTRODUCTION);
    let mut lines = Lines::new();
    // Ends with the input.
    while let Some(line) = typist.ask(&mut lines).await? {
        match Said::from(line) {
            Said::Nothing => {}
            Said::Quit => break,
            Said::New => {
                chat.messages.clear();
                typist.say("A new conversation.");
            }
            Said::Save(name) => {
                let saved = contexts::save(&chat.session.client, (&chat.model, &name), out).await;
                typist.take(saved, out).await?;
            }
            Said::Restore(name) => {
                let client = &chat.session.client;
                let restored = contexts::restore(client, (&chat.model, &name), out).await;
                typist.take(restored, out).await?;
            }
            Said::Message(line) => chat.turn(line, typist, out).await?,
        }
    }
    Ok(Exit::Done)
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    Quit,
    New,
    Save(String),
    Restore(String),
    Message(String),
}

impl From<String> for Said {
    fn from(line: String) -> Self {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            _ if line.is_empty() => Self::Nothing,
            ["/quit"] => Self::Quit,
            ["/new"] => Self::New,
            ["/save", name] => Self::Save((*name).to_owned()),
            ["/restore", name] => Self::Restore((*name).to_owned()),
            _ => Self::Message(line),
        }
    }
}

struct Chat {
    model: String,
    params: Params,
    /// Bounded by the broker: a conversation beyond its limits is refused, and stays as it was.
    messages: Vec<ChatMessage>,
    session: Session,
}

/// Who writes the lines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Typist {
    Person,
    Script,
}

impl Chat {
    async fn turn(&mut self, line: String, typist: Typist, out: &mut Out) -> Result<(), Failure> {
        self.messages.push(message(USER, line));
        match self.answer(out).await {
            Ok(shown) => {
                self.close(&shown, out).await?;
                if typist == Typist::Script && shown.end.exit() == Exit::Cancelled {
                    return Err(Failure::Abandoned);
                }
                self.messages.push(message(ASSISTANT, shown.text));
                Ok(())
            }
            Err(failure) => {
                self.messages.pop();
                typist.take(Err(failure), out).await?;
                typist.say("The message was not taken; try another, or /new.");
                Ok(())
            }
        }
    }

    async fn answer(&self, out: &mut Out) -> Result<Shown, Failure> {
        let request = Generate {
            model: self.model.clone(),
            prompt: Prompt::Chat(self.messages.clone()),
            params: self.params.clone(),
        };
        let events = self.session.client.generate(request).await?;
        generate::show(events, Asked::one(&self.model), &self.session, out).await
    }

    /// What follows an answer: in a pipe its newline, for a person the figures.
    async fn close(&self, shown: &Shown, out: &mut Out) -> Result<(), Failure> {
        if out.format() == Format::Json {
            return Ok(());
        }
        if !out.shows_notes() {
            out.own_text("\n").await?;
        }
        if let End::Done(done) = &shown.end {
            out::note(&generate::summary(done));
        }
        Ok(())
    }
}

impl Typist {
    fn say(self, text: &str) {
        if self == Self::Person {
            out::note(text);
        }
    }

    /// Tells a person of a refusal, and goes on; a script ends with it.
    async fn take(self, done: Result<(), Failure>, out: &mut Out) -> Result<(), Failure> {
        match done {
            Err(Failure::Request(error)) if self == Self::Person && can_go_on(&error) => {
                out.failure(&Failure::Request(error)).await;
                Ok(())
            }
            other => other,
        }
    }

    async fn ask(self, lines: &mut Lines) -> Result<Option<String>, Failure> {
        if self == Self::Person {
            let mut stderr = std::io::stderr().lock();
            // Without it the line can be typed all the same.
            let _unseen = stderr.write_all(b"> ").and_then(|()| stderr.flush());
        }
        lines.next().await
    }
}

/// Whether the connection still works after this.
fn can_go_on(error: &RequestError) -> bool {
    match error {
        RequestError::Refused(_)
        | RequestError::Cancelled
        | RequestError::TooLarge { .. }
        | RequestError::TooMany { .. } => true,
        RequestError::Lost | RequestError::Protocol(_) => false,
    }
}

fn message(role: &str, content: String) -> ChatMessage {
    ChatMessage { role: role.into(), content }
}
