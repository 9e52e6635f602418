//! A model's file is replaced while it serves: what is told of it, and what grammars compile for.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::Path,
    process::{Child, Output, Stdio},
    time::Duration,
};

use core_client::{Client, Grammar};
use core_tests::harness::{Broker, processes};
use nix::{sys::signal::Signal, unistd::Pid};

use crate::talk::{Heard, ask, connect, greedy, talk};

/// How long the broker may take to see that a worker was killed; it waits for that in its loop.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// Loads of which one has to be seen before it is over: it takes some tens of milliseconds.
const TRIES: usize = 10;

/// Puts the same model with one byte more in its place, as a program that replaces files does it.
fn replace(file: &Path) {
    let mut bytes = fs::read(file).expect("read");
    bytes.push(0);
    let beside = file.with_extension("new");
    fs::write(&beside, bytes).expect("written");
    fs::rename(&beside, file).expect("renamed");
}

async fn bound(client: &Client, regex: &str) -> Heard {
    let mut request = greedy("story", "Mira has a ", 8);
    request.params.ignore_eos = false;
    request.params.grammar = Some(Grammar::Regex(regex.into()));
    ask(client, request).await
}

async fn digest(client: &Client) -> Option<String> {
    let models = client.models().await.expect("the models");
    models.into_iter().find(|model| model.id == "story").and_then(|model| model.sha256)
}

async fn unload(client: &Client) {
    client.unload("story").await.expect("sent").finish().await.expect("unloaded");
}

/// Kills the worker that compiles grammars, and waits until the broker knows.
fn end_compiler(broker: &Broker) {
    let compiler = || broker.worker("story (grammars)");
    let pid = Pid::from_raw(compiler().expect("a compiler").cast_signed());
    nix::sys::signal::kill(pid, Signal::SIGKILL).expect("it runs");
    let gone = || compiler().is_none().then_some(());
    assert!(processes::wait_for(GONE_WITHIN, gone).is_some(), "it is still there");
}

#[test]
fn a_grammar_is_compiled_for_the_file_that_serves_or_not_used() {
    let broker = Broker::with_story().expect("a broker");
    broker.load("story");
    let file = broker.install.model("story");
    talk(async {
        let client = connect(&broker).await;
        bound(&client, "(red|blue) kite").await.done();
        let first = digest(&client).await;
        replace(&file);
        // The compiler still holds the file that serves.
        bound(&client, "(red|blue) ball").await.done();
        end_compiler(&broker);
        // A new one can only open the new file, which is not the one that serves.
        assert_eq!(bound(&client, "(red|blue) boat").await.refusal().0, "MODEL_CHANGED");
        assert_eq!(digest(&client).await, first, "the old file serves");
        bound(&client, "(red|blue) kite").await.done();
        unload(&client).await;
        bound(&client, "(red|blue) boat").await.done();
        let second = digest(&client).await;
        assert!(second.is_some() && second != first, "the new file serves");
        replace(&file);
        unload(&client).await;
        client.load("story").await.expect("sent").finish().await.expect("loaded");
        // Now it is the compiler that holds an old file. It is replaced.
        assert_eq!(bound(&client, "(red|blue) fish").await.refusal().0, "MODEL_CHANGED");
        bound(&client, "(red|blue) fish").await.done();
    });
}

/// A stream that lasts until its worker ends; answers its last line.
fn last_line(run: Child) -> String {
    let output = run.wait_with_output().expect("corectl ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().last().unwrap_or_default().to_owned()
}

/// A broker whose model `long` generates.
fn generating() -> (Broker, u32, Child) {
    let broker = Broker::with_long().expect("a broker");
    let worker = broker.load("long");
    let arguments = ["run", "long", "Once", "-n", "8000", "--ignore-eos"];
    let run = broker.corectl_command(&arguments).stdout(Stdio::piped()).spawn();
    broker.wait_until_busy();
    (broker, worker, run.expect("corectl starts"))
}

/// What `audit` says of the files of the model `long`.
fn audited(broker: &Broker) -> (i32, Option<bool>) {
    let audit = broker.corectl(&["audit"]);
    let long = audit.lines.iter().find(|process| process["model"] == "long");
    let rows = long.and_then(|process| process["rows"].as_array());
    let row = rows.and_then(|rows| rows.iter().find(|row| row["name"] == "model.files"));
    (audit.code, row.and_then(|row| row["achieved"].as_bool()))
}

#[test]
fn a_file_that_is_written_to_is_seen_by_the_audit_and_its_worker_ended() {
    let (broker, worker, run) = generating();
    assert_eq!(audited(&broker), (0, Some(true)));
    let file = broker.install.model("long");
    let mut open = fs::OpenOptions::new().append(true).open(&file).expect("opened");
    open.write_all(&[0]).expect("written");
    let (code, achieved) = audited(&broker);
    assert_eq!(achieved, Some(false), "the audit says so");
    assert_ne!(code, 0, "a required protection is missing");
    let last = last_line(run);
    assert!(last.contains("\"MODEL_CHANGED\"") && last.contains("long.gguf"), "{last}");
    assert!(
        processes::wait_for(GONE_WITHIN, || (!processes::alive(worker)).then_some(())).is_some()
    );
    // What the file holds now is what is served next.
    assert_eq!(broker.corectl(&["run", "long", "Once", "-n", "4"]).code, 0, "{}", broker.log());
    assert_eq!(audited(&broker), (0, Some(true)));
}

#[test]
fn a_file_that_is_cut_short_ends_its_requests_with_its_name() {
    let (broker, _, run) = generating();
    let file = broker.install.model("long");
    fs::OpenOptions::new().write(true).open(&file).expect("opened").set_len(4096).expect("cut");
    let last = last_line(run);
    assert!(last.contains("\"MODEL_CHANGED\"") && last.contains("long.gguf"), "{last}");
    assert!(broker.log().contains("SIGBUS"), "{}", broker.log());
    let output = broker.corectl(&["run", "long", "Once", "-n", "4"]);
    assert_eq!(output.error(), "MODEL_LOAD", "nothing whole is there: {output:?}");
}

#[test]
fn another_file_of_this_name_changes_nothing_of_what_is_served() {
    let (broker, worker, run) = generating();
    replace(&broker.install.model("long"));
    // The first look finds the old file touched and has it read again; the next one is content.
    for _ in 0..3 {
        assert_eq!(audited(&broker), (0, Some(true)), "{}", broker.log());
    }
    let last = last_line(run);
    assert!(last.contains("\"done\""), "{last}");
    assert_eq!(broker.worker("long"), Some(worker), "the old file serves");
}

/// Has `long` loaded for a request, and does something to its file between the reading of it and
/// the worker's READY. Answers what the request was told.
fn touched_while_it_loads(broker: &Broker, touch: impl Fn(&Path)) -> Output {
    for _ in 0..TRIES {
        assert_eq!(broker.corectl(&["unload", "long"]).code, 0);
        let before = processes::programs(broker.pid());
        let mut command = broker.corectl_command(&["run", "long", "Once", "-n", "4"]);
        let run = command.stdout(Stdio::piped()).spawn().expect("corectl starts");
        let new =
            || processes::programs(broker.pid()).into_iter().find(|pid| !before.contains(pid));
        let worker = processes::wait_for(GONE_WITHIN, new).expect("a worker");
        let worker = Pid::from_raw(worker.cast_signed());
        nix::sys::signal::kill(worker, Signal::SIGSTOP).expect("it runs");
        let status = broker.corectl(&["status"]).lines.remove(0);
        let loads = status["models"][0]["state"] == "loading";
        if loads {
            touch(&broker.install.model("long"));
        }
        nix::sys::signal::kill(worker, Signal::SIGCONT).expect("it is there");
        let output = run.wait_with_output().expect("corectl ends");
        if loads {
            return output;
        }
    }
    panic!("no worker was seen while it loads");
}

#[test]
fn a_new_worker_serves_nobody_before_a_file_that_was_touched_is_read_again() {
    let broker = Broker::with_long().expect("a broker");
    // From now on a load is one process: the file was read, and looked at.
    broker.load("long");
    let mode = |file: &Path| {
        fs::set_permissions(file, fs::Permissions::from_mode(0o640)).expect("changed");
    };
    let served = touched_while_it_loads(&broker, mode);
    let text = String::from_utf8_lossy(&served.stdout).into_owned();
    assert_eq!(text.matches("\"token\"").count(), 4, "it is what it was: {text}{}", broker.log());
    let content = |file: &Path| {
        let time = fs::metadata(file).and_then(|found| found.modified()).expect("a time");
        let open = fs::OpenOptions::new().read(true).write(true).open(file).expect("opened");
        let last = open.metadata().expect("a size").len() - 1;
        let mut byte = [0];
        open.read_exact_at(&mut byte, last).expect("read");
        open.write_all_at(&[!byte[0]], last).expect("written");
        open.set_modified(time).expect("set back");
    };
    let refused = touched_while_it_loads(&broker, content);
    let text = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(text.contains("\"MODEL_CHANGED\"") && !text.contains("\"token\""), "{text}");
}
