//! `corectl chat`: a conversation, rendered by the model's own template.

use std::io::Write;

use core_client::{ChatMessage, Generate, Params, Prompt, RequestError};

use super::{
    generate::{self, Asked, End, Shown},
    session::{Session, Target},
};
use crate::{
    cli::ChatArgs,
    failure::{Exit, Failure},
    input::{self, Lines},
    out::{self, Format, Out},
};

const INTRODUCTION: &str =
    "Every line is a message. /new starts over, /quit or Ctrl-D ends, Ctrl-C cancels an answer.";
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
        match line.as_str() {
            "" => {}
            "/quit" => break,
            "/new" => {
                chat.messages.clear();
                typist.say("A new conversation.");
            }
            _ => chat.turn(line, typist, out).await?,
        }
    }
    Ok(Exit::Done)
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
            Err(Failure::Request(error)) if typist == Typist::Person && can_go_on(&error) => {
                self.messages.pop();
                out.failure(&Failure::Request(error)).await;
                typist.say("The message was not taken; try another, or /new.");
                Ok(())
            }
            Err(failure) => Err(failure),
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
