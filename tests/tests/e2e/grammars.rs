//! Grammars are compiled before they reach the worker that serves.

use std::{
    fs,
    time::{Duration, Instant},
};

use core_client::{FinishReason, Generate, Grammar};
use core_tests::{
    gguf::{self, Shape},
    harness::{Broker, Install},
};
use nix::{sys::signal::Signal, unistd::Pid};

use crate::talk::{ask, connect, greedy, hear, talk};

/// Longer than any compiler may work on one grammar.
const REFUSED_MAX: Duration = Duration::from_secs(8);

fn regex(pattern: &str) -> Generate {
    let mut request = greedy("story", "Mira has a ", 32);
    request.params.ignore_eos = false;
    request.params.grammar = Some(Grammar::Regex(pattern.into()));
    request
}

#[test]
fn a_grammar_is_compiled_elsewhere_and_remembered() {
    let broker = Broker::with_story().expect("a broker");
    broker.load("story");
    let workers = talk(async {
        let client = connect(&broker).await;
        for _ in 0..2 {
            ask(&client, regex("(red|blue) (kite|ball)")).await.done();
        }
        client.status().await.expect("a state").workers
    });
    let names: Vec<_> = workers.iter().map(|worker| worker.model.as_str()).collect();
    assert_eq!(names, ["story", "story (grammars)"]);
}

/// A broker whose compiler has compiled one grammar, and was stopped then.
fn with_a_stuck_compiler() -> Broker {
    let broker = Broker::with_story().expect("a broker");
    broker.load("story");
    talk(async { ask(&connect(&broker).await, regex("first")).await.done() });
    let compiler = broker.worker("story (grammars)").expect("a compiler");
    let compiler = Pid::from_raw(compiler.cast_signed());
    nix::sys::signal::kill(compiler, Signal::SIGSTOP).expect("it runs");
    broker
}

#[test]
fn a_stuck_compiler_costs_its_own_request_and_no_other() {
    let broker = with_a_stuck_compiler();
    talk(async {
        let client = connect(&broker).await;
        let mut late = regex("third");
        late.params.deadline_ms = Some(300);
        let (stuck, late, next, plain) = tokio::join!(
            ask(&client, regex("second")),
            ask(&client, late),
            ask(&client, regex("fourth")),
            ask(&client, greedy("story", "x", 3)),
        );
        assert!(plain.ended < stuck.ended, "a stream beside it waited");
        plain.done();
        assert_eq!(stuck.refusal().0, "BAD_GRAMMAR");
        assert!(stuck.ended - stuck.sent < REFUSED_MAX, "{:?}", stuck.ended - stuck.sent);
        assert_eq!(late.refusal().0, "DEADLINE", "it waits for its grammar within its deadline");
        // Who waited behind it gets another compiler, and a slow moment is not remembered.
        next.done();
        ask(&client, regex("second")).await.done();
    });
}

#[test]
fn a_request_is_cancelled_while_its_grammar_compiles() {
    let broker = with_a_stuck_compiler();
    talk(async {
        let client = connect(&broker).await;
        let (stuck, events) =
            (client.generate(regex("second")).await, client.generate(regex("third")).await);
        let (stuck, events) = (stuck.expect("it is sent"), events.expect("it is sent"));
        let stuck = tokio::spawn(hear(stuck, Instant::now()));
        client.cancel(&events.id().clone()).await.expect("it is cancelled");
        let heard = hear(events, Instant::now()).await;
        assert_eq!(heard.done().finish_reason, Some(FinishReason::Cancelled));
        assert!(!stuck.is_finished(), "the compiler was not stuck any more");
        let status = client.status().await.expect("a state");
        assert_eq!((status.requests.cancelled, status.queue.depth), (1, 0));
    });
}

#[test]
fn a_grammar_compiles_for_a_model_of_several_files_that_is_not_loaded() {
    let install = Install::new().expect("an installation");
    let split = Shape { split: Some(3), ..Shape::tiny() };
    gguf::write_model(&split, &install.model("parts")).expect("a split model");
    gguf::write_model(&Shape::tiny(), &install.model("adapted")).expect("a model");
    gguf::write_adapter(&Shape::tiny(), 4, &install.model("lora")).expect("an adapter");
    let adapters = "adapters = [{ file = \"lora.gguf\", scale = 0.5 }]";
    let config = format!("[models.adapted]\n{adapters}\n");
    fs::write(install.root().join("core.toml"), config).expect("written");
    let broker = Broker::start(install, &[]).expect("a broker");
    talk(async {
        let client = connect(&broker).await;
        for model in ["parts", "adapted"] {
            for pattern in ["[a-z]{2,8}", "[a-z]{2,8}", "[0-9]{2,8}"] {
                ask(&client, Generate { model: model.into(), ..regex(pattern) }).await.done();
            }
            client.unload(model).await.expect("sent").finish().await.expect("unloaded");
            let again = Generate { model: model.into(), ..regex("[A-Z]{2,8}") };
            ask(&client, again).await.done();
        }
    });
}
