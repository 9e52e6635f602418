//! What is refused before it costs much, and what a refusal costs the next one.

use std::{
    collections::BTreeSet,
    fs,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use core_tests::{
    gguf::{self, Shape},
    harness::{Broker, Install, processes},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A hole that takes half a minute to hash at the best: two gigabytes a second.
const HOLE_BYTES: u64 = 64 << 30;
/// How soon it has to be refused, on a machine that is busy.
const REFUSED_MAX: Duration = Duration::from_secs(10);
/// Models that are loaded at once.
const MODELS: u64 = 4;
/// Inspectors that the broker has at once.
const AT_ONCE: usize = 2;
/// How long it is looked whether more of them come.
const MORE_WITHIN: Duration = Duration::from_millis(700);

/// A broker with the story, which is loaded, and what else there is to be.
fn broker(more: impl FnOnce(&Install)) -> Broker {
    let install = Install::new().expect("an installation");
    install.add_story().expect("the story");
    more(&install);
    let broker = Broker::start(install, &[]).expect("a broker");
    broker.load("story");
    broker
}

/// How many workers were started so far.
fn started(broker: &Broker) -> usize {
    broker.log().matches("worker started").count()
}

#[test]
fn what_is_no_model_is_refused_before_all_of_it_is_read() {
    let broker = broker(|install| {
        let hole = fs::File::create(install.model("hole")).expect("made");
        hole.set_len(HOLE_BYTES).expect("no disk is needed for a hole");
    });
    let from = Instant::now();
    let output = broker.corectl(&["run", "hole", "x"]);
    let took = from.elapsed();
    assert_eq!(output.error(), "MODEL_LOAD", "{output:?}");
    assert!(took < REFUSED_MAX, "{took:?}");
}

#[test]
fn a_swap_that_failed_is_not_tried_again_at_once() {
    let broker = broker(|install| {
        fs::write(install.model("junk"), [0x5a; 10_000]).expect("written");
    });
    let swap = || broker.corectl(&["swap", "story", "junk.gguf"]);
    let before = started(&broker);
    let first = swap();
    assert_eq!(first.error(), "MODEL_LOAD", "{first:?}");
    let after = started(&broker);
    assert!(after > before, "it was looked at");
    let again = swap();
    assert_eq!(again.stdout, first.stdout, "the same refusal");
    assert_eq!(started(&broker), after, "nobody looked at it again");
    assert_eq!(broker.corectl(&["run", "story", "Once", "-n", "4"]).code, 0, "it serves on");
    fs::write(broker.install.model("junk"), [0xa5; 9_000]).expect("written");
    assert_eq!(swap().error(), "MODEL_LOAD");
    assert!(started(&broker) > after, "another content is another try");
}

fn signal(pid: u32, signal: Signal) {
    // One that has ended meanwhile needs none.
    let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
}

#[test]
fn two_files_are_looked_at_once_and_the_others_wait_for_their_turn() {
    let broker = broker(|install| {
        for seed in 0..MODELS {
            let shape = Shape::tiny().with_seed(seed);
            gguf::write_model(&shape, &install.model(&format!("m{seed}"))).expect("written");
        }
    });
    let known: BTreeSet<u32> = processes::programs(broker.pid()).into_iter().collect();
    let load = |seed| {
        let mut command = broker.corectl_command(&["load", &format!("m{seed}")]);
        command.stdout(Stdio::null()).spawn().expect("corectl starts")
    };
    let loads: Vec<Child> = (0..MODELS).map(load).collect();
    // Each is stopped as soon as it is there, so that none comes to its end.
    let mut stopped = BTreeSet::new();
    let mut stop = || {
        let children = processes::programs(broker.pid());
        stopped.extend(children.into_iter().filter(|pid| !known.contains(pid)));
        stopped.iter().for_each(|&pid| signal(pid, Signal::SIGSTOP));
        let alive = stopped.iter().filter(|&&pid| processes::alive(pid)).count();
        (alive >= AT_ONCE).then_some(())
    };
    assert!(processes::wait_for(REFUSED_MAX, &mut stop).is_some(), "nobody looks at anything");
    let more = processes::wait_for(MORE_WITHIN, || {
        stop();
        let alive = processes::programs(broker.pid()).len() - known.len();
        (alive > AT_ONCE).then_some(alive)
    });
    stopped.iter().for_each(|&pid| signal(pid, Signal::SIGCONT));
    assert_eq!(more, None, "more than {AT_ONCE} at once");
    for mut load in loads {
        assert!(load.wait().expect("corectl ends").success(), "{}", broker.log());
    }
}
