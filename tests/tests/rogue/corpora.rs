//! Seeds: one of each message that a decoder knows, made here and kept in `tests/corpora` as well,
//! for fuzzers of other kinds. `CORE_CORPORA=write` writes them again.

use std::{collections::BTreeMap, fs, path::PathBuf};

use core_tests::gguf::{self, Shape};
use core_wire::{
    client::{
        ChatMessage, ClientFrame, FinishReason, Generate, Grammar, Params, Prompt, Request, Special,
    },
    code::Code,
    handshake,
    ids::{DetachTicket, JobId, RequestId, SessionId},
    worker::{
        Chunk, Claim, Ended, Failed, FailedCause, Inspected, Locked, ModelFacts, Needs, Ready,
        Refused, Started, Step, StepToken, ToBroker,
    },
};

use crate::messages;

/// All corpora together.
const BYTES_MAX: usize = 200 << 10;

/// Records of a worker: kind and payload.
pub(crate) fn records() -> Vec<(u8, Vec<u8>)> {
    let records = of_a_start().into_iter().chain(of_jobs());
    records.map(|record| record.encode().expect("it encodes")).collect()
}

fn of_a_start() -> Vec<ToBroker> {
    let facts = || ModelFacts {
        architecture: "llama".into(),
        n_ctx: 4096,
        n_vocab: 512,
        slots: 8,
        ..ModelFacts::default()
    };
    let claims = || vec![Claim(3), Claim(70)];
    let ready = Ready { facts: facts(), claims: claims(), threads: 2, locked_us: 9, load_us: 9 };
    let needs = Needs { mapped: 1 << 20, private: 1 << 10, ..Needs::default() };
    vec![
        ToBroker::Locked(Locked { claims: claims() }),
        ToBroker::Variant(3),
        ToBroker::Progress(0.25),
        ToBroker::Ready(ready),
        ToBroker::Failed(Failed { cause: FailedCause::Model, message: "no GGUF".into() }),
        ToBroker::Inspected(Inspected { facts: facts(), needs, devices: Vec::new() }),
    ]
}

fn of_jobs() -> Vec<ToBroker> {
    let token = |job, top| StepToken {
        job: JobId(job),
        token: 17,
        text: "Mira gäbe".into(),
        logprob: Some(-0.5),
        top,
    };
    let tokens = vec![token(1, vec![]), token(2, vec![(17, -0.5), (4, -2.0)])];
    let ended =
        Ended { job: JobId(2), reason: FinishReason::Stop, prefill_us: 900, decode_us: 70_000 };
    let ends = Step { step: 300, ended: vec![ended], parked: vec![JobId(3)], ..Step::default() };
    vec![
        ToBroker::Started(Started { job: JobId(1), prompt_tokens: 20, cached_tokens: 4 }),
        ToBroker::Step(Step::default()),
        ToBroker::Step(Step { step: 9, tokens, ..Step::default() }),
        ToBroker::Step(ends),
        ToBroker::Chunk(Chunk { job: JobId(4), offset: 8, last: true, bytes: vec![1; 24] }),
        ToBroker::Refused(Refused::new(JobId(5), Code::BadToken, "token 900 of 512")),
        ToBroker::Paused,
    ]
}

/// Requests of a client.
pub(crate) fn requests() -> Vec<Request> {
    let text = || Prompt::Text("Mira gave the red kite to Tom.".into());
    let chat = vec![ChatMessage { role: "user".into(), content: "Where is the ball?".into() }];
    let params =
        Params { stop: vec!["\n".into()], logprobs: Some(3), seed: Some(7), ..Params::default() };
    let grammar = Some(Grammar::Regex("[a-z]+".into()));
    let prompts = [
        (text(), Params::default()),
        (Prompt::Tokens(vec![1, 300, 70_000]), params),
        (Prompt::Chat(chat), Params { grammar, ..Params::default() }),
    ];
    let model = || "no-such-model".to_owned();
    let generate =
        |(prompt, params)| Request::Generate(Box::new(Generate { model: model(), prompt, params }));
    let mut all = vec![
        Request::Cancel { target: "r1".into() },
        Request::Tokenize { model: model(), text: "Tom".into(), special: Special::Plain },
        Request::Detokenize { model: model(), tokens: vec![1, 2, 3] },
        Request::Load { model: model() },
        Request::Unload { model: model() },
        Request::Models,
        Request::Status,
        Request::Audit,
        Request::Embed { model: model(), input: text() },
        Request::Swap { model: model(), file: "a.gguf".into() },
        Request::Save { model: model(), name: "c".into() },
        Request::Restore { model: model(), name: "c".into() },
        Request::Publish { model: model(), prompt: text() },
        Request::Withdraw { model: model() },
        Request::Detach { target: "r1".into() },
        Request::Attach { ticket: DetachTicket([9; 16]), from: 300 },
    ];
    all.extend(prompts.map(generate));
    all
}

/// The bodies of frames in a session.
pub(crate) fn frames(session: SessionId) -> Vec<Vec<u8>> {
    let frame = |(n, request)| {
        let id = RequestId::try_from(format!("r{n}")).expect("a short id");
        let mut bytes = Vec::new();
        let frame = ClientFrame { session, id, request };
        core_wire::frame::append(&frame, 1 << 20, &mut bytes).expect("it fits");
        bytes.split_off(core_wire::frame::HEADER_BYTES)
    };
    requests().into_iter().enumerate().map(frame).collect()
}

/// What a client says before it is let in.
pub(crate) fn handshakes() -> Vec<Vec<u8>> {
    let hello = handshake::hello(&[3; handshake::NONCE_BYTES]);
    vec![hello.to_vec(), [hello.as_slice(), &[9; handshake::MAC_BYTES]].concat(), b"CORE".to_vec()]
}

/// Configuration files.
pub(crate) fn configs() -> Vec<Vec<u8>> {
    let texts = [
        "drain_ms = 100\nclient_frame_bytes_max = 4096\nuids = [1000]\n",
        "[defaults]\nn_ctx = 4096\nslots = 8\nthreads = 2\nkeep_alive_s = 60\n",
        "[queue]\nrequests_max = 9\nper_session_max = 3\n[outbox]\nframes_max = 64\n",
        "[models.a]\nfile = \"a.gguf\"\nn_ctx = 128\nkv = \"q8\"\nkeep = \"high\"\n",
        "[memory]\nbudget_mib = 4096\n[cache]\nquota_mib = 1\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}

/// Every corpus with the folder it lies in.
fn all() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let record = |(kind, payload): (u8, Vec<u8>)| [&[kind], payload.as_slice()].concat();
    let gguf = [0, 60, 130, 250, 310, 340, 360, 400, 420, 440, 452];
    let small = |n| gguf::derived(n).expect("a file").1.into_iter().take(8 << 10).collect();
    let mut vocab = Vec::new();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("v.gguf");
    gguf::write_vocab(&Shape { n_vocab: 300, ..Shape::tiny() }, &path).expect("a vocabulary");
    vocab.extend(fs::read(&path).expect("it reads"));
    BTreeMap::from([
        ("records", records().into_iter().map(record).collect()),
        ("orders", messages::orders().into_iter().map(record).collect()),
        ("answers", messages::answers()),
        ("frames", frames(SessionId([7; 16]))),
        ("handshake", handshakes()),
        ("config", configs()),
        ("gguf", gguf.map(small).into_iter().chain([vocab]).collect()),
    ])
}

#[test]
fn the_corpora_are_what_is_made_here() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpora");
    let writes = std::env::var("CORE_CORPORA").is_ok_and(|word| word == "write");
    let mut bytes = 0;
    for (folder, seeds) in all() {
        let folder = root.join(folder);
        if writes {
            fs::create_dir_all(&folder).expect("a folder");
        }
        let count = fs::read_dir(&folder).map_or(0, Iterator::count);
        for (n, seed) in seeds.iter().enumerate() {
            let path = folder.join(format!("{n:02}.bin"));
            if writes {
                fs::write(&path, seed).expect("written");
            }
            let found = fs::read(&path).unwrap_or_default();
            assert!(found == *seed, "{}: run with CORE_CORPORA=write", path.display());
            bytes += seed.len();
        }
        assert!(writes || count == seeds.len(), "{}: {count} files", folder.display());
    }
    assert!(bytes <= BYTES_MAX, "{bytes} bytes of corpora");
}
