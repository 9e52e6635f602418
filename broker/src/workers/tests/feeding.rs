//! Prompts through a ring that is smaller than they are.

use core_ring::{Budget, Layout, WorkerEnd, attach, create};
use core_wire::{
    client::request::Special,
    ids::JobId,
    worker::{JobKind, KIND_MAX, ToWorker},
};

use crate::{memory::Budget as Prompts, workers::feed::Feed};

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
fn long_prompts_arrive_whole_in_order_and_without_a_gap() {
    let (mut feed, mut worker) = pair();
    let prompts = Prompts::of_prompts();
    let sent: Vec<Vec<u8>> = [3 << 20, 0, 5 << 20, 10]
        .into_iter()
        .enumerate()
        .map(|(seed, bytes)| (0..=255).cycle().skip(seed * 7).take(bytes).collect())
        .collect();
    for (number, prompt) in sent.iter().enumerate() {
        let job = JobId(number as u64);
        let charge = prompts.charge(prompt.len()).unwrap();
        let kind = JobKind::Tokenize(Special::Plain);
        feed.push_job(job, kind, prompt.clone(), charge).unwrap();
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
    assert!(
        whole
            .into_iter()
            .all(|((_, bytes, got), sent)| { *bytes as usize == sent.len() && got == sent })
    );
    prompts.charge(256 << 20).expect("every prompt gave its bytes back");
}
