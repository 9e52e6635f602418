//! A whole Control in one file: starts a broker, streams one prompt, cancels another, shuts down.
//!
//! ```text
//! cargo run -p core-client --example control -- target/release/core-broker ROOT MODEL
//! ```
//! `ROOT` holds `models/MODEL.gguf`. As root, add `--user NAME` to the options below.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to a person")]

use std::{
    env,
    error::Error,
    io::{self, Write},
    path::PathBuf,
};

use core_client::{Client, Event, Events, Generate, Launch, Params, Priority, Prompt, Token};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [program, root, model] = arguments.as_slice() else {
        return Err("usage: control CORE-BROKER ROOT MODEL".into());
    };
    // The broker makes the socket's directory, for its own user alone.
    let socket = PathBuf::from(root).join("run/core.sock");

    // A token of 256 random bits goes to the broker through a pipe: no file, no argument. `start`
    // returns when the broker has said that it listens.
    let token = Token::random()?;
    let broker = Launch::new(program, root, socket).start(&token).await?;
    eprintln!("broker {} runs as process {}", broker.ready().version, broker.ready().pid);

    // Both sides prove that they hold the token; then all requests share this one connection.
    let client = Client::connect(broker.socket(), &token).await?;
    stream(client.generate(prompt(model, "The sea", 32)).await?).await?;
    cancel(&client, model).await?;

    // Ask it to end, and see that it did. Had this program died instead, the control pipe would
    // have ended with it, and the broker too.
    client.shutdown().await?;
    drop(client);
    let status = broker.stop().await?;
    eprintln!("broker ended: {status}");
    Ok(())
}

fn prompt(model: &str, text: &str, max_tokens: u32) -> Generate {
    Generate {
        model: model.into(),
        prompt: Prompt::Text(text.into()),
        params: Params { max_tokens, priority: Priority::Interactive, ..Params::default() },
    }
}

/// Prints text as it comes. A refusal or a lost connection ends the loop as an error, which says
/// what to do next; for a refusal, `code.retry()` says whether the same request may work later.
async fn stream(mut events: Events) -> Outcome {
    while let Some(event) = events.next().await {
        match event? {
            Event::Queued { position, .. } => eprintln!("{position} requests in front"),
            Event::Token { text, .. } => {
                print!("{text}");
                io::stdout().flush()?;
            }
            Event::Done(done) => eprintln!("\n{:?} {:?}", done.finish_reason, done.usage),
            _ => {}
        }
    }
    Ok(())
}

/// Ends a long answer after its first token, as a stop button does.
async fn cancel(client: &Client, model: &str) -> Outcome {
    let mut events = client.generate(prompt(model, "Once upon a time", 100_000)).await?;
    let button = events.canceller();
    let mut tokens = 0;
    while let Some(event) = events.next().await {
        match event? {
            Event::Token { .. } => {
                tokens += 1;
                button.cancel();
            }
            Event::Done(done) => eprintln!("{:?} after {tokens} tokens", done.finish_reason),
            _ => {}
        }
    }
    Ok(())
}
