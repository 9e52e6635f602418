//! Seeds of what the broker writes: records for a worker and events for a client. Neither reader
//! takes it for hostile; both must stand what a broken one sends.

use core_wire::{
    client::{
        Choice, ContextInfo, Detached, Done, Event, FinishReason, Grammar, ModelInfo, Penalties,
        Priority, ServerFrame, Special, Usage,
        audit::{AuditProcess, AuditRow},
    },
    code::{Code, Refusal},
    frame::{self, HEADER_BYTES},
    ids::{DetachTicket, DomainId, JobId, RequestId},
    limits::SERVER_FRAME_BYTES_MAX,
    worker::{
        Fragment, Job, JobKind, KvType, Purpose, Sampling, ToWorker, Weights, WorkerConfig,
        config::{Load, Serve},
    },
};

/// Records for a worker: kind and payload.
pub(crate) fn orders() -> Vec<(u8, Vec<u8>)> {
    let job = |kind| {
        let (job, class, domain) = (JobId(7), Priority::default(), Some(DomainId(3)));
        ToWorker::Job(Job { job, kind, class, reuse: Some(JobId(6)), domain, prompt_bytes: 900 })
    };
    let sampling = Sampling {
        max_tokens: 64,
        stop: vec!["\n".into()],
        penalties: Penalties::default(),
        logit_bias: vec![(7, -1.0)],
        logprobs: Some(2),
        grammar: Some(Grammar::Regex("[a-z]+".into())),
        ..Sampling::default()
    };
    let orders = [
        ToWorker::Config(config()),
        ToWorker::Go,
        job(JobKind::Generate(Box::new(sampling))),
        job(JobKind::Tokenize(Special::Plain)),
        job(JobKind::Compile(Grammar::Regex("a|b".into()))),
        job(JobKind::Restore),
        ToWorker::Fragment(Fragment { job: JobId(7), offset: 8, bytes: vec![3; 40] }),
        ToWorker::Cancel(JobId(7)),
        ToWorker::Park(JobId(8)),
        ToWorker::Forget(DomainId(3)),
    ];
    orders.map(|order| order.encode().expect("it encodes")).into()
}

fn config() -> WorkerConfig {
    let serve = Serve {
        variant: "/usr/lib/core-runtime/libggml-cpu-x64.so".into(),
        backends: Vec::new(),
        parts: 2,
        adapters: vec![0.5],
        load: Load::Weights,
        n_ctx: 4096,
        slots: 8,
        threads: 2,
        n_batch: 256,
        n_ubatch: 64,
        step_ms_max: 100,
        idle_cells_max: 512,
        kv: KvType::Q8,
        weights: Weights::Shared,
        gpu_layers: 0,
    };
    let purpose = Purpose::Serve(serve);
    WorkerConfig { purpose, broker_pid: 4711, canaries: vec!["/etc/passwd".into()] }
}

/// The bodies of frames for a client.
pub(crate) fn answers() -> Vec<Vec<u8>> {
    let body = |event| {
        let id = RequestId::try_from("r1".to_owned()).expect("a short id");
        let mut bytes = Vec::new();
        let frame = ServerFrame { id, event };
        frame::append(&frame, SERVER_FRAME_BYTES_MAX, &mut bytes).expect("it fits");
        bytes.split_off(HEADER_BYTES)
    };
    of_generations().into_iter().chain(of_questions()).map(body).collect()
}

fn of_generations() -> Vec<Event> {
    let token = Event::Token {
        id: 17,
        text: "Mira gäbe".into(),
        logprob: Some(-0.5),
        choice: 1,
        top: vec![(17, -0.5), (4, -2.0)],
    };
    let (finish_reason, usage) = (FinishReason::Length, Usage::default());
    vec![
        Event::Queued { position: 3, wait_ms: Some(70) },
        token,
        Event::Choice(Choice { index: 1, finish_reason, usage }),
        Event::Resumed { tokens: 9 },
        Event::Done(Done { finish_reason: Some(FinishReason::Stop), ..Done::default() }),
        Event::Error(Refusal::new(Code::QueueFull, "12 of 12 wait").after(50)),
        Event::Detached(Detached { ticket: DetachTicket([5; 16]), keep_ms: 30_000 }),
    ]
}

fn of_questions() -> Vec<Event> {
    let row = AuditRow { name: "seals".into(), required: true, ..AuditRow::default() };
    let model = || ModelInfo { id: "story".into(), ..ModelInfo::default() };
    vec![
        Event::Progress { fraction: 0.5 },
        Event::Loaded(model()),
        Event::Models(vec![model()]),
        Event::Tokens(vec![1, 300, 70_000]),
        Event::Text("Where is the ball?".into()),
        Event::Embedding(vec![0.6, -0.8]),
        Event::Context(ContextInfo { tokens: 30, bytes: 9000 }),
        Event::Audit(vec![AuditProcess { rows: vec![row], ..AuditProcess::default() }]),
    ]
}
