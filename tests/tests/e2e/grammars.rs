//! Grammars are compiled before they reach the worker that serves.

use std::time::{Duration, Instant};

use core_tests::harness::Broker;
use core_wire::{
    client::{Event, FinishReason, Grammar, Params},
    code::Code,
};

use nix::{sys::signal::Signal, unistd::Pid};

use crate::client::{Told, ask, connect, generate, wait};

/// Longer than any compiler may work on one grammar.
const REFUSED_MAX: Duration = Duration::from_secs(8);

fn params(grammar: Grammar) -> Params {
    Params { grammar: Some(grammar), max_tokens: 32, temperature: 0.7, ..Params::default() }
}

#[test]
fn a_grammar_is_compiled_elsewhere_and_remembered() {
    let broker = Broker::with_story().expect("a broker");
    broker.load("story");
    let regex = || params(Grammar::Regex("(red|blue) (kite|ball)".into()));
    let (told, workers) = wait(async {
        let client = connect(&broker).await?;
        let mut told = Vec::new();
        for _ in 0..2 {
            told.push(generate(&client, ask("story", "Mira has a ", regex())).await?);
        }
        Ok((told, client.status().await?.workers))
    });
    for told in told {
        assert!(told.error.is_none() && told.done.is_some(), "{told:?}\n{}", broker.log());
    }
    let names: Vec<_> = workers.iter().map(|worker| worker.model.as_str()).collect();
    assert_eq!(names, ["story", "story (grammars)"]);
}

#[test]
fn a_bad_grammar_is_refused_each_time_and_disturbs_nobody() {
    let broker = Broker::with_story().expect("a broker");
    let bad = [
        Grammar::Regex("(((".into()),
        Grammar::JsonSchema("{\"type\": 5".into()),
        Grammar::Lark("start: start start".repeat(3)),
    ];
    wait(async {
        let client = connect(&broker).await?;
        for grammar in bad.iter().chain(&bad) {
            let began = Instant::now();
            let told = generate(&client, ask("story", "x", params(grammar.clone()))).await?;
            let refusal = told.error.expect("a refusal");
            assert_eq!(refusal.code, Code::BadGrammar, "{refusal}\n{}", broker.log());
            assert!(began.elapsed() < REFUSED_MAX, "{grammar:?}");
            assert!(!refusal.message.contains("((("), "it quotes the grammar");
        }
        let plain = Params { max_tokens: 3, ..Params::default() };
        let told = generate(&client, ask("story", "Once", plain)).await?;
        assert!(told.done.is_some(), "{told:?}");
        Ok(())
    });
}

fn regex(text: &str) -> Params {
    params(Grammar::Regex(text.into()))
}

/// A broker whose compiler has compiled one grammar, and was stopped then.
fn with_a_stuck_compiler() -> Broker {
    let broker = Broker::with_story().expect("a broker");
    broker.load("story");
    let told = wait(async {
        let client = connect(&broker).await?;
        generate(&client, ask("story", "x", regex("first"))).await
    });
    assert!(told.done.is_some(), "{told:?}\n{}", broker.log());
    let compiler = broker.worker("story (grammars)").expect("a compiler");
    let compiler = Pid::from_raw(compiler.cast_signed());
    nix::sys::signal::kill(compiler, Signal::SIGSTOP).expect("it runs");
    broker
}

#[test]
fn a_stuck_compiler_costs_its_own_request_and_no_other() {
    let broker = with_a_stuck_compiler();
    let began = Instant::now();
    let (stuck, late, next, plain, again) = wait(async {
        let client = connect(&broker).await?;
        let ask = |params| generate(&client, ask("story", "x", params));
        let plain = Params { max_tokens: 3, ..Params::default() };
        let late = Params { deadline_ms: Some(300), ..regex("third") };
        let all = async {
            tokio::join!(ask(regex("second")), ask(late), ask(regex("fourth")), async {
                (ask(plain).await, began.elapsed())
            })
        };
        let (stuck, late, next, (plain, took)) = all.await;
        assert!(took < Duration::from_secs(3), "a stream beside it took {took:?}");
        Ok((stuck?, late?, next?, plain?, ask(regex("second")).await?))
    });
    let code = |told: &Told| told.error.as_ref().map(|refusal| refusal.code);
    assert_eq!(code(&stuck), Some(Code::BadGrammar), "{stuck:?}");
    assert!(began.elapsed() < REFUSED_MAX, "{:?}", began.elapsed());
    assert_eq!(code(&late), Some(Code::Deadline), "it waits for its grammar within its deadline");
    assert!(next.done.is_some(), "who waited behind it gets another compiler: {next:?}");
    assert!(plain.done.is_some(), "{plain:?}");
    assert!(again.done.is_some(), "a slow moment is not remembered: {again:?}");
    assert_eq!(broker.corectl(&["run", "story", "Once", "-n", "2"]).code, 0);
}

#[test]
fn a_request_is_cancelled_while_its_grammar_compiles() {
    let broker = with_a_stuck_compiler();
    let (end, status) = wait(async {
        let client = connect(&broker).await?;
        let events = client.generate(ask("story", "x", regex("second"))).await?;
        let began = Instant::now();
        client.cancel(&events.id().clone()).await?;
        let end = events.finish().await?;
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        Ok((end, client.status().await?))
    });
    let Event::Done(done) = end else { panic!("no end: {end:?}") };
    assert_eq!(done.finish_reason, Some(FinishReason::Cancelled));
    assert_eq!((status.requests.cancelled, status.queue.depth), (1, 0));
}
