//! Records: true ones, and those that mean something impossible.

use core_tests::rogue::{Lie, VOCABULARY};
use core_wire::{
    client::FinishReason,
    code::Code,
    ids::JobId,
    limits::STEP_TEXT_BYTES_MAX,
    worker::{
        Chunk, Ended, Failed, FailedCause, Inspected, Locked, ModelFacts, Needs, Ready, Refused,
        Started, Step, StepToken, ToBroker, config::Serve,
    },
};

pub(crate) fn facts(plan: &Serve) -> ModelFacts {
    ModelFacts {
        architecture: "rogue".into(),
        n_ctx: plan.n_ctx,
        n_ctx_train: plan.n_ctx,
        n_vocab: VOCABULARY,
        n_embd: 8,
        n_params: 1,
        slots: plan.slots,
        chat_template: false,
        n_layer: 1,
        vocabulary: 1,
    }
}

pub(crate) fn inspected(plan: &Serve, needs: Needs) -> Inspected {
    Inspected { facts: facts(plan), needs, devices: Vec::new() }
}

pub(crate) fn token(job: JobId, token: u32) -> StepToken {
    StepToken { job, token, text: "a ".into(), logprob: None, top: Vec::new() }
}

pub(crate) fn ended(job: JobId, reason: FinishReason) -> Ended {
    Ended { job, reason, prefill_us: 1, decode_us: 1 }
}

pub(crate) fn started(job: JobId) -> ToBroker {
    ToBroker::Started(Started { job, prompt_tokens: 1, cached_tokens: 0 })
}

fn step(step: u64, tokens: Vec<StepToken>, ended: Vec<Ended>) -> ToBroker {
    ToBroker::Step(Step { step, tokens, ended, parked: Vec::new() })
}

fn chunk(job: JobId, offset: u32) -> ToBroker {
    ToBroker::Chunk(Chunk { job, offset, last: false, bytes: vec![0; 8] })
}

/// The records of a lie about a job whose next step has the number `next`; none for a lie that is
/// no record of its own.
pub(crate) fn of(lie: Lie, job: JobId, next: u64) -> Vec<ToBroker> {
    if let Some(record) = in_a_step(lie, job, next) {
        return vec![record];
    }
    let end = || vec![ended(job, FinishReason::Stop)];
    let facts = ModelFacts { n_vocab: 1, n_ctx: 1, slots: 1, ..ModelFacts::default() };
    match lie {
        Lie::AfterEnd => {
            vec![step(next, vec![], end()), step(next + 1, vec![token(job, 1)], vec![])]
        }
        Lie::SecondStart => vec![started(job)],
        Lie::ChunkOfTokens => vec![chunk(job, 0)],
        Lie::ForeignCode => vec![ToBroker::Refused(Refused::new(job, Code::ModelHash, "no"))],
        Lie::PausedUnasked => vec![ToBroker::Paused],
        Lie::Inspected => {
            let needs = Needs::default();
            vec![ToBroker::Inspected(Inspected { facts, needs, devices: Vec::new() })]
        }
        Lie::ReadyAgain => {
            let claims = Vec::new();
            let ready = Ready { facts, claims, threads: 1, locked_us: 1, load_us: 1 };
            vec![ToBroker::Ready(ready)]
        }
        Lie::LockedAgain => vec![ToBroker::Locked(Locked { claims: Vec::new() })],
        Lie::FailedLate => {
            let cause = FailedCause::Model;
            vec![ToBroker::Failed(Failed { cause, message: "no".into() })]
        }
        Lie::VariantLate => vec![ToBroker::Variant(0)],
        Lie::ProgressLate => vec![ToBroker::Progress(0.5)],
        _ => Vec::new(),
    }
}

fn in_a_step(lie: Lie, job: JobId, next: u64) -> Option<ToBroker> {
    let stop = || ended(job, FinishReason::Stop);
    let told = |logprob| StepToken { logprob: Some(logprob), ..token(job, 1) };
    let long = || StepToken { text: "a".repeat(STEP_TEXT_BYTES_MAX + 1), ..token(job, 1) };
    let (number, tokens, ends) = match lie {
        Lie::UnknownJob => (next, vec![token(JobId(job.0 + 1000), 1)], vec![]),
        Lie::DoubleEnd => (next, vec![], vec![stop(), stop()]),
        Lie::EndUnasked => (next, vec![], vec![ended(job, FinishReason::Cancelled)]),
        Lie::TokenOutside | Lie::Patient => (next, vec![token(job, VOCABULARY)], vec![]),
        Lie::TokenMax => (next, vec![token(job, u32::MAX)], vec![]),
        Lie::TokenTwice => (next, vec![token(job, 1), token(job, 1)], vec![]),
        Lie::StepRepeats => (next - 1, vec![token(job, 1)], vec![]),
        Lie::StepSkips => (next + 1, vec![token(job, 1)], vec![]),
        Lie::LogprobNan => (next, vec![told(f32::NAN)], vec![]),
        Lie::LogprobUnasked => (next, vec![told(-1.0)], vec![]),
        Lie::Oversize => (next, vec![long()], vec![]),
        _ => return None,
    };
    Some(step(number, tokens, ends))
}

/// A record whose bytes are no message: its kind and payload.
pub(crate) fn bytes(lie: Lie, job: JobId, next: u64) -> Option<(u8, Vec<u8>)> {
    let (kind, mut payload) = step(next, vec![token(job, 1)], vec![]).encode().ok()?;
    match lie {
        Lie::Utf8 => {
            let at = payload.windows(2).position(|two| two == b"a ")?;
            payload[at..at + 2].copy_from_slice(&[0xff, 0xfe]);
        }
        Lie::Trailing => payload.push(0),
        Lie::LengthZero => payload.clear(),
        // The count of tokens says 2^64 - 1 in nine bytes.
        Lie::HugeCount => {
            payload = vec![u8::try_from(next).ok()?];
            payload.extend([253].into_iter().chain([0xff; 8]));
        }
        _ => return None,
    }
    Some((kind, payload))
}
