//! Prompts through a ring that is smaller than they are.

use std::rc::Rc;

use core_ring::{Budget, Layout, WorkerEnd, attach, create};
use core_wire::{
    client::{Priority, Prompt, request::Special},
    codec,
    ids::{DomainId, JobId},
    limits::FRAGMENT_BYTES_MAX,
    worker::{Job, JobKind, KIND_MAX, Payload, ToWorker},
};

use crate::{
    memory::Budget as Prompts,
    workers::feed::{Feed, Held},
};

/// What a worker got: jobs in order, each with its whole prompt.
#[derive(Default)]
struct Got {
    jobs: Vec<(JobId, u32, Vec<u8>)>,
    cancels: Vec<JobId>,
}

impl Got {
    fn take(&mut self, record: ToWorker) {
        match record {
            ToWorker::Job(job) => self.jobs.push((job.job, job.prompt_bytes, Vec::new())),
            ToWorker::Fragment(fragment) => {
                let (job, _, bytes) = self.jobs.last_mut().expect("a head first");
                assert_eq!((*job, bytes.len()), (fragment.job, fragment.offset as usize));
                bytes.extend(fragment.bytes);
            }
            ToWorker::Cancel(job) => self.cancels.push(job),
            other => panic!("{other:?} is not sent here"),
        }
    }
}

fn pair() -> (Feed, WorkerEnd) {
    let layout = Layout::new(KIND_MAX);
    let (broker, fds) = create(&layout).unwrap();
    let worker = attach(fds.b, fds.w, fds.bell, &layout).unwrap();
    (Feed::new(broker.jobs), worker)
}

#[test]
fn what_a_request_has_got_is_put_behind_its_prompt() {
    let (mut feed, mut worker) = pair();
    let prompts = Prompts::of_contexts(1 << 20);
    for (tokens, fragments) in [(10, 1), (40_000, 4)] {
        let prompt = Prompt::Tokens((0..tokens).collect());
        let bytes = codec::encode(&prompt).unwrap();
        let charge = prompts.charge(bytes.len()).unwrap();
        let held = Rc::new(Held::new(bytes, charge));
        let emitted: Vec<u32> = (0..tokens).rev().collect();
        let head = Job {
            job: JobId(tokens.into()),
            kind: JobKind::Generate(Box::default()),
            class: Priority::Batch,
            reuse: Some(JobId(9)),
            domain: None,
            prompt_bytes: 0,
        };
        feed.push_job(head, &held, &emitted).unwrap();
        feed.flush().unwrap();
        let (mut got, mut pieces) = (Got::default(), 0);
        // A poll takes a portion; a few take all.
        for _ in 0..100 {
            let heard = |kind, bytes: &[u8]| {
                pieces += 1;
                got.take(ToWorker::decode(kind, bytes).unwrap());
            };
            worker.jobs.poll(Budget::POLL, heard).unwrap();
        }
        assert_eq!(pieces, 1 + fragments, "the head, and no more pieces than are needed");
        let (_, length, bytes) = got.jobs.pop().unwrap();
        assert_eq!(length as usize, bytes.len());
        let payload: Payload = codec::decode(&bytes).unwrap();
        assert!(payload == Payload { prompt, emitted });
    }
}

#[test]
fn long_prompts_arrive_whole_in_order_and_without_a_gap() {
    let (mut feed, mut worker) = pair();
    let prompts = Prompts::of_contexts(256 << 20);
    let sent: Vec<Vec<u8>> = [3 << 20, 0, 5 << 20, 10]
        .into_iter()
        .enumerate()
        .map(|(seed, bytes)| (0..=255).cycle().skip(seed * 7).take(bytes).collect())
        .collect();
    for (number, prompt) in sent.iter().enumerate() {
        let job = JobId(number as u64);
        let charge = prompts.charge(prompt.len()).unwrap();
        let kind = JobKind::Tokenize(Special::Plain);
        let class = Priority::Normal;
        let head = Job { job, kind, class, reuse: None, domain: None, prompt_bytes: 0 };
        let held = Rc::new(Held::new(prompt.clone(), charge));
        feed.push_job(head, &held, &[]).unwrap();
    }
    feed.push(&ToWorker::Cancel(JobId(0))).unwrap();
    feed.flush().unwrap();
    assert!(feed.is_waiting(), "8 MiB do not fit a ring of 2");
    let mut got = Got::default();
    // Each round moves up to a ring's worth; 8 MiB need a handful.
    for _ in 0..1_000 {
        let heard = |kind, bytes: &[u8]| got.take(ToWorker::decode(kind, bytes).unwrap());
        worker.jobs.poll(Budget::POLL, heard).unwrap();
        feed.flush().unwrap();
    }
    assert!(!feed.is_waiting());
    assert_eq!(got.cancels, [JobId(0)]);
    let whole = got.jobs.iter().zip(&sent);
    assert_eq!(got.jobs.len(), sent.len());
    assert!(whole.into_iter().all(|((_, bytes, got), sent)| {
        *bytes as usize == got.len() && got.strip_suffix(&[0]) == Some(sent.as_slice())
    }));
    prompts.charge(256 << 20).expect("every prompt gave its bytes back");
}

#[test]
fn a_saved_sequence_is_sent_as_it_is() {
    let (mut feed, mut worker) = pair();
    let contexts = Prompts::of_contexts(1 << 20);
    let state: Vec<u8> = (0..=u8::MAX).cycle().take(3 * FRAGMENT_BYTES_MAX + 5).collect();
    let charge = contexts.charge(state.len()).unwrap();
    let held = Rc::new(Held::new(state.clone(), charge));
    let (job, domain) = (JobId(3), Some(DomainId(8)));
    let (kind, class) = (JobKind::Restore, Priority::Normal);
    let head = Job { job, kind, class, reuse: None, domain, prompt_bytes: 0 };
    feed.push_state(head, &held).unwrap();
    feed.flush().unwrap();
    let mut got = Got::default();
    // A poll takes a portion; a few take all.
    for _ in 0..100 {
        let heard = |kind, bytes: &[u8]| got.take(ToWorker::decode(kind, bytes).unwrap());
        worker.jobs.poll(Budget::POLL, heard).unwrap();
    }
    assert_eq!(got.jobs, [(job, u32::try_from(state.len()).unwrap(), state)]);
    drop(held);
    contexts.charge(1 << 20).expect("it gave its bytes back");
}
