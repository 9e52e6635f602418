//! The GPU profile around a real worker. There is no GPU here and none is played: the back end that
//! CONFIG names is the CPU variant once more, which is one, so that the profile is chosen and the
//! CPU computes under it. What a driver needs of it only a device can show.

use std::path::Path;

use core_policy::{
    profile::Profile,
    report::{Achieved, Required, Row, layer},
    verify::{self, Expect},
};
use core_wire::worker::{
    Claim, ModelFacts, Purpose, ToBroker, ToWorker,
    config::{Load, Serve},
};

use crate::player::{Worker, greedy, made::inspect, model, serve};

const STORY: &str = "Mira gave the red kite to Tom. Now Tom has the";

fn with_back_end(plan: &mut Serve) {
    plan.backends = vec![plan.variant.clone()];
}

fn rows(claims: &[Claim]) -> Vec<Row> {
    claims.iter().filter_map(|claim| Row::told(claim.0)).collect()
}

fn not_held(rows: &[Row]) -> Vec<&'static str> {
    let failing = rows.iter().filter(|row| row.achieved != Achieved::Yes);
    failing.map(|row| row.name).collect()
}

#[test]
fn what_config_names_decides_the_profile_and_the_worker_says_what_it_lacks() {
    let mut cpu = Worker::start(serve(|_| {}), &[&model()]);
    let mut gpu = Worker::start(serve(with_back_end), &[&model()]);
    let (cpu_rows, gpu_rows) = (rows(&cpu.locked().claims), rows(&gpu.locked().claims));
    assert!(cpu_rows.iter().all(|row| row.name != layer::PROFILE_GPU.text));
    let added: Vec<_> = not_held(&gpu_rows)
        .into_iter()
        .filter(|name| !not_held(&cpu_rows).contains(name))
        .collect();
    assert_eq!(added, ["mdwe", "profile.gpu"], "nothing else is given up");
}

#[test]
fn under_it_a_worker_is_seen_as_locked_down_and_serves_the_same() {
    let mut gpu = Worker::start(serve(with_back_end), &[&model()]);
    gpu.locked();
    let pid = i32::try_from(gpu.child.id()).unwrap();
    let expect = Expect::worker(1, None, Profile::Gpu).unwrap();
    let seen = verify::at_locked(pid, &expect);
    // These tests give a log pipe that blocks, which is looked at last: the table itself is right.
    let table = seen.iter().find(|row| row.name == layer::FD_TABLE.text).unwrap();
    assert_eq!(table.value, "the log pipe blocks");
    let required = seen.iter().filter(|row| row.required == Required::Required);
    let required: Vec<_> = required.filter(|row| row.name != table.name).cloned().collect();
    assert!(required.len() > 3 && not_held(&required).is_empty(), "{required:?}");
    // The limit on descriptors is the profile's own: a worker that should be on the CPU fails.
    let strict = verify::at_locked(pid, &Expect { profile: Profile::Cpu, ..expect.clone() });
    assert!(not_held(&strict).contains(&layer::RLIMITS.text), "{strict:?}");
    gpu.tell(&ToWorker::Go);
    let ready = gpu.until_ready();
    gpu.tell(&ToWorker::Run);
    let filters = expect.filters().to_string();
    assert_eq!(gpu.status("Seccomp_filters"), vec![filters; ready.threads as usize]);
    let on_gpu = gpu.complete(STORY, greedy(16)).tokens;
    let (mut cpu, _) = Worker::ready(&model(), |_| {});
    assert_eq!(on_gpu, cpu.complete(STORY, greedy(16)).tokens);
    gpu.tell(&ToWorker::Stop);
    let (status, log) = gpu.end();
    assert_eq!((status.code(), log.as_str()), (Some(0), ""));
}

#[test]
fn who_tells_of_gpus_is_given_no_file_and_who_is_given_one_tells_of_none() {
    let nothing = |plan: &mut Serve| {
        with_back_end(plan);
        (plan.load, plan.parts) = (Load::Nothing, 0);
    };
    let told = inspect(&[], nothing).unwrap();
    assert_eq!((told.facts, told.devices), (ModelFacts::default(), Vec::new()));
    let file = model();
    let changes: [(&[&Path], &dyn Fn(&mut Serve)); 4] = [
        (&[&file], &nothing),
        (&[], &with_back_end),
        (&[&file], &|plan| plan.load = Load::Nothing),
        (&[], &|plan| plan.parts = 0),
    ];
    for (files, change) in changes {
        let Purpose::Serve(plan) = serve(change) else {
            panic!("the plan of a test is to serve");
        };
        match Worker::start(Purpose::Inspect(plan), files).hear() {
            ToBroker::Failed(failed) => {
                assert!(failed.message.contains("model files came"), "{}", failed.message);
            }
            other => panic!("a refusal was due, not {other:?}"),
        }
    }
}
