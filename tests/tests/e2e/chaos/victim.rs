//! Whoever happens to be there when a worker dies of somebody else's request.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use core_client::Client;
use tokio::{
    task::{JoinHandle, spawn_local},
    time::{sleep, timeout},
};

use super::compared;
use crate::talk::{Heard, PATIENCE};

/// A stream that is read all the time, by a task.
pub(super) struct Victim {
    said: Rc<Cell<usize>>,
    pub(super) heard: JoinHandle<Heard>,
}

impl Victim {
    /// Asks the model `long` for so many tokens.
    pub(super) async fn start(client: &Client, prompt: &str, tokens: u32) -> Self {
        let mut events = client.generate(compared("long", prompt, tokens)).await.expect("sent");
        let said = Rc::new(Cell::new(0));
        let count = said.clone();
        let heard = spawn_local(async move {
            let mut heard = Heard::new(Instant::now());
            let counted = |heard: &Heard| {
                count.set(heard.said.len());
                false
            };
            heard.until(&mut events, counted).await;
            heard
        });
        Self { said, heard }
    }

    /// Waits for a token, which shows that it is not what kills.
    pub(super) async fn advances(&self) {
        let before = self.said.get();
        let more = async {
            while self.said.get() <= before + 1 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, more).await.expect("it goes on");
    }
}
