//! What a session computed: for itself, or saved for another one.

use std::{fs, path::PathBuf};

use core_client::{Cache, Client, ContextInfo, Generate, RequestError};
use core_tests::{
    gguf::{self, Shape},
    harness::{Broker, Install},
};

use crate::{
    compare::{NEIGHBOURS, same_to_a_border},
    talk::{Heard, ask, broker_with, connect, greedy, talk, until},
};

/// Room for what sessions keep.
pub(crate) const CONFIG: &str = "[defaults]\nslots = 2\nn_ctx = 8192\nidle_cells = 4096\n";
/// Tokens of a prompt.
pub(crate) const PROMPT: usize = 300;
/// Tokens of an answer.
pub(crate) const ANSWER: u32 = 12;
/// What a session has of its own prompt at most when it asks again: the last token is computed.
const OWN: u32 = 299;
const STORY: &str = "Mira gave the red kite to Tom. Now Tom has the";

/// How many tokens of a prompt came from the cache.
pub(crate) async fn cached(client: &Client, request: Generate) -> u32 {
    ask(client, request).await.done().usage.cached_tokens
}

pub(crate) fn code<T>(answer: Result<T, RequestError>) -> &'static str {
    match answer {
        Err(RequestError::Refused(refusal)) => refusal.code.name(),
        Err(other) => panic!("no refusal but {other}"),
        Ok(_) => "",
    }
}

/// The story's continuation, with what is needed to compare two of them.
async fn story(client: &Client) -> Heard {
    let mut request = greedy("story", STORY, ANSWER);
    request.params.logprobs = Some(NEIGHBOURS);
    ask(client, request).await
}

fn story_broker(config: &str) -> Broker {
    let install = Install::new().expect("an installation");
    install.add_story().expect("the story");
    fs::write(install.root().join("core.toml"), config).expect("written");
    Broker::start(install, &[]).expect("a broker")
}

/// The one saved context.
fn file(broker: &Broker) -> PathBuf {
    let entries = fs::read_dir(broker.install.root().join("cache")).expect("listed");
    let mut paths = entries.map(|entry| entry.expect("an entry").path());
    paths.find(|path| path.extension().is_some_and(|end| end == "kv")).expect("a context")
}

async fn saved(client: &Client, name: &str) -> ContextInfo {
    story(client).await.done();
    client.save("story", name).await.expect("saved")
}

async fn saved_bytes(client: &Client) -> u64 {
    client.status().await.expect("a status").memory.saved_bytes
}

pub(crate) async fn unload(client: &Client, model: &str) {
    client.unload(model).await.expect("sent").finish().await.expect("unloaded");
}

#[test]
fn a_session_finds_what_it_computed_and_no_other_does() {
    let broker = broker_with(CONFIG);
    talk(async {
        let (first, second) = (connect(&broker).await, connect(&broker).await);
        let request = || greedy("long", PROMPT, ANSWER);
        assert_eq!(cached(&first, request()).await, 0);
        assert_eq!(cached(&first, request()).await, OWN);
        assert_eq!(cached(&second, request()).await, 0, "another session has it");
        let mut off = request();
        off.params.cache = Cache::Off;
        assert_eq!(cached(&first, off.clone()).await, 0, "it was told not to look");
        drop(first);
        until(&second, |status| status.sessions == 1).await;
        let third = connect(&broker).await;
        assert_eq!(cached(&third, off).await, 0);
        assert_eq!(cached(&third, request()).await, 0, "somebody's session is over, or left it");
        assert_eq!(cached(&third, request()).await, OWN);
    });
}

#[test]
fn a_saved_context_outlives_the_broker() {
    let mut broker = story_broker("");
    let (before, info) = talk(async {
        let client = connect(&broker).await;
        assert_eq!(code(client.save("story", "a").await), "BAD_PARAMETER", "it is not loaded");
        client.load("story").await.expect("sent").finish().await.expect("loaded");
        assert_eq!(code(client.save("story", "a").await), "BAD_PARAMETER", "nothing was computed");
        let before = story(&client).await;
        let info = client.save("story", "a").await.expect("saved");
        client.shutdown().await.expect("it ends");
        (before, info)
    });
    assert!(broker.wait().is_some_and(|status| status.success()));
    assert_eq!(fs::metadata(file(&broker)).expect("it is there").len(), info.bytes);
    let again = broker.again().expect("a broker");
    talk(async {
        let client = connect(&again).await;
        assert_eq!(saved_bytes(&client).await, info.bytes);
        assert_eq!(client.restore("story", "a").await.expect("restored"), info);
        let after = story(&client).await;
        let prompt = after.done().usage.prompt_tokens;
        assert_eq!(after.done().usage.cached_tokens, prompt - 1);
        assert!(info.tokens >= prompt, "the prompt and its answer");
        same_to_a_border(&before, &after);
        assert_eq!(cached(&connect(&again).await, greedy("story", STORY, 1)).await, 0);
    });
}

#[test]
fn what_is_not_as_it_was_written_is_refused_and_hurts_nobody() {
    let broker = story_broker("");
    talk(async {
        let client = connect(&broker).await;
        saved(&client, "a").await;
        let (path, worker) = (file(&broker), broker.worker("story"));
        let whole = fs::read(&path).expect("read");
        for at in [0, 9, 40, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&path, flipped).expect("written");
            assert_eq!(code(client.restore("story", "a").await), "CONTEXT_BROKEN", "byte {at}");
        }
        for length in [0, 11, 100, whole.len() - 1] {
            fs::write(&path, &whole[..length]).expect("written");
            let truncated = client.restore("story", "a").await;
            assert_eq!(code(truncated), "CONTEXT_BROKEN", "{length} bytes");
        }
        fs::write(&path, &whole).expect("written");
        client.restore("story", "a").await.expect("the whole one is as it was");
        for name in ["b", "A", "a.kv"] {
            assert_eq!(code(client.restore("story", name).await), "UNKNOWN_CONTEXT", "{name}");
        }
        for name in ["", ".a", "../a", "a/b", "a\0", &"a".repeat(65)] {
            assert_eq!(code(client.restore("story", name).await), "BAD_PARAMETER", "{name:?}");
            assert_eq!(code(client.save("story", name).await), "BAD_PARAMETER", "{name:?}");
        }
        assert_eq!(code(client.restore("nosuch", "a").await), "UNKNOWN_MODEL");
        story(&client).await.done();
        assert_eq!(broker.worker("story"), worker, "the worker was not touched");
    });
}

#[test]
fn a_context_belongs_to_one_user_one_content_and_one_setting() {
    let install = Install::new().expect("an installation");
    install.add_story().expect("the story");
    let broker = Broker::start(install, &[]).expect("a broker");
    talk(async {
        let client = connect(&broker).await;
        saved(&client, "a").await;
        let path = file(&broker);
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let (uid, rest) = name.split_once('-').expect("a user");
        let other = path.with_file_name(format!("{}-{rest}", uid.parse::<u32>().expect("one") + 1));
        fs::rename(&path, &other).expect("renamed");
        assert_eq!(code(client.restore("story", "a").await), "UNKNOWN_CONTEXT", "another user's");
        fs::rename(&other, &path).expect("renamed");
        // A file of a name that another one's content has was put there by somebody.
        fs::hard_link(&path, path.with_file_name(name.replace("-a.", "-b."))).expect("linked");
        assert_eq!(code(client.restore("story", "b").await), "CONTEXT_BROKEN");
        unload(&client, "story").await;
        fs::write(broker.install.root().join("core.toml"), "[models.story]\nn_ctx = 256\n")
            .expect("written");
        broker.signal(nix::sys::signal::Signal::SIGHUP);
        client.restore("story", "a").await.expect("a shorter context changes nothing");
        unload(&client, "story").await;
        gguf::write_model(&Shape::tiny(), &broker.install.model("story")).expect("written");
        assert_eq!(code(client.restore("story", "a").await), "CONTEXT_CHANGED");
    });
}

#[test]
fn the_oldest_context_gives_way_and_a_large_one_is_refused() {
    let broker = broker_with(&format!("{CONFIG}[cache]\nquota_mib = 2\ncontext_mib = 1\n"));
    talk(async {
        let client = connect(&broker).await;
        ask(&client, greedy("long", 4, 1)).await.done();
        let small = client.save("long", "small").await.expect("saved").bytes;
        let mut tokens = 64;
        // Doubles until one is refused; ends at the latest where the context does.
        let refused = loop {
            ask(&client, greedy("long", tokens, 1)).await.done();
            match client.save("long", &format!("of-{tokens}")).await {
                Ok(info) => assert!(info.bytes <= (1 << 20) + (64 << 10)),
                Err(error) => break error,
            }
            assert!(saved_bytes(&client).await <= 2 << 20);
            tokens *= 2;
            assert!(tokens < 4096, "{small} bytes for the smallest");
        };
        assert!(refused.to_string().contains("context_mib"), "{refused}");
        assert_eq!(code::<()>(Err(refused)), "MEMORY");
        // Of another session: to the first one these are beginnings of what it has.
        let client = connect(&broker).await;
        for number in 0..8 {
            ask(&client, greedy("long", tokens / 2, 1)).await.done();
            client.save("long", &format!("number-{number}")).await.expect("saved");
        }
        assert!(saved_bytes(&client).await <= 2 << 20);
        assert_eq!(code(client.restore("long", "small").await), "UNKNOWN_CONTEXT");
        client.restore("long", "number-7").await.expect("the newest is there");
    });
}

#[test]
fn corectl_saves_restores_publishes_and_withdraws() {
    let broker = story_broker("");
    let line = |output: &core_tests::harness::Output| {
        let lines: Vec<_> = output.events("context").cloned().collect();
        assert_eq!((output.code, lines.len()), (0, 1), "{output:?}\n{}", broker.log());
        (lines[0]["tokens"].as_u64().expect("tokens"), lines[0]["bytes"].as_u64().expect("bytes"))
    };
    let usage = |output: &core_tests::harness::Output| {
        let done = output.events("done").next().expect("an end");
        done["usage"]["cached_tokens"].as_u64().expect("a count")
    };
    let run = |more: &[&str]| {
        let usual = ["run", "story", STORY, "-n", "4", "--temp", "0"];
        broker.corectl(&[&usual[..], more].concat())
    };
    let first = run(&["--save", "a"]);
    assert!(line(&first).1 > 0);
    let second = run(&["--restore", "a"]);
    assert_eq!(line(&second), line(&first));
    assert!(usage(&second) > 0 && usage(&first) == 0);
    assert_eq!(usage(&run(&["--no-cache"])), 0);
    assert_eq!(run(&["--restore", "b"]).error(), "UNKNOWN_CONTEXT");
    assert_eq!(line(&broker.corectl(&["publish", "story", STORY])).1, 0);
    assert!(usage(&run(&[])) > 0);
    assert_eq!(usage(&run(&["--no-cache"])), 0, "not even what is public");
    line(&broker.corectl(&["withdraw", "story"]));
    assert_eq!(usage(&run(&[])), 0);
}
