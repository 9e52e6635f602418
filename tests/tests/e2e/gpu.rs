//! What an installed GPU back end changes where no model goes to a GPU. No device is played: the
//! file with the back end's name is a copy of a CPU variant, and nothing loads it.

use std::{collections::BTreeMap, fs, process::Stdio};

use core_policy::{
    profile::Profile,
    seccomp::{self, Stage},
};
use core_tests::harness::{Broker, Install, processes};
use serde_json::Value;

use crate::talk::PATIENCE;

/// A broker that keeps its models on the CPU, with this file beside its CPU variants.
fn broker(library: &str) -> Broker {
    broker_with(library, "[defaults]\ngpu_layers = \"none\"\n")
}

fn broker_with(library: &str, config: &str) -> Broker {
    let install = Install::new().expect("an installation");
    install.add_story().expect("a model");
    let variant = install.engine().join("libggml-cpu-x64.so");
    fs::copy(variant, install.engine().join(library)).expect("a file");
    fs::write(install.root().join("core.toml"), config).expect("a configuration");
    Broker::start(install, &[]).expect("a broker")
}

fn has_gpu_row(process: &Value) -> bool {
    let rows = process["rows"].as_array().expect("rows");
    rows.iter().any(|row| row["name"] == "profile.gpu" && row["achieved"] == false)
}

#[test]
fn an_installed_back_end_shows_on_the_broker_and_leaves_its_workers_as_they_are() {
    for (library, widens) in [("libggml-cuda.so", true), ("libggml-rpc.so", false)] {
        let broker = broker(library);
        assert_eq!(broker.corectl(&["run", "story", "Once", "-n", "4"]).tokens().len(), 4);
        let audit = broker.corectl(&["audit"]);
        assert_eq!(audit.code, 0, "{audit:?}");
        let role = |process: &&Value, role: &str| process["role"] == role;
        let of = |name: &str| audit.lines.iter().find(|process| role(process, name));
        assert_eq!(has_gpu_row(of("broker").expect("a broker")), widens, "{library}");
        assert!(!has_gpu_row(of("worker").expect("a worker")), "{library}");
        let status = broker.corectl(&["status"]).lines.remove(0);
        let worker = &status["workers"][0];
        assert_eq!(worker["profile"], "cpu");
        let sandbox = &worker["sandbox"];
        assert_eq!(sandbox["seccomp_serve"], 20);
        assert_eq!(sandbox["filter_sha256"], seccomp::filter_sha256(Stage::Serve));
        let degraded = sandbox["degraded"].to_string();
        assert!(!degraded.contains("profile.gpu"), "{degraded}");
        let gpu = Stage::Serve.under(Profile::Gpu);
        assert_ne!(sandbox["filter_sha256"], seccomp::filter_sha256(gpu));
    }
}

/// Loads in which somebody is looked for who is there for some milliseconds of each.
const LOADS: usize = 10;

/// The workers of a broker that were seen, by whether they had a file of a model open, with whether
/// they ever had a library mapped.
type Seen = BTreeMap<u32, (bool, bool)>;

fn look(broker: &Broker, library: &str, seen: &mut Seen) {
    for pid in processes::programs(broker.pid()) {
        let files = processes::descriptors(pid);
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        let (has_file, has_library) = seen.entry(pid).or_default();
        *has_file |= files.iter().any(|(_, target)| target.ends_with("story.gguf"));
        *has_file |= maps.contains("story.gguf");
        *has_library |= maps.contains(library);
    }
}

/// Has the model loaded, and looks all the while.
fn load_and_look(broker: &Broker, library: &str, seen: &mut Seen) {
    let mut command = broker.corectl_command(&["run", "story", "Once", "-n", "4"]);
    let mut run = command.stdout(Stdio::null()).spawn().expect("corectl starts");
    let ended = processes::wait_for(PATIENCE, || {
        look(broker, library, seen);
        run.try_wait().expect("a child")
    });
    assert!(ended.is_some_and(|status| status.success()), "{}", broker.log());
}

/// A model's file is read without any back end first, and who asks a driver reads no file.
#[test]
fn no_file_is_looked_at_under_the_weaker_profile() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: what a worker has mapped is told to nobody but root");
        return;
    }
    let library = "libggml-cuda.so";
    let broker = broker_with(library, "");
    let mut seen = Seen::new();
    for _ in 0..LOADS {
        load_and_look(&broker, library, &mut seen);
        if seen.values().any(|&both| both == (false, true)) {
            break;
        }
        assert_eq!(broker.corectl(&["unload", "story"]).code, 0);
    }
    let files = seen.values().filter(|(has_file, _)| *has_file).count();
    assert!(files >= 1, "nobody was seen with the file: {seen:?}");
    assert!(!seen.values().any(|&both| both == (true, true)), "{seen:?}");
    assert!(seen.values().any(|&both| both == (false, true)), "nobody asked the driver: {seen:?}");
    let status = broker.corectl(&["status"]).lines.remove(0);
    assert_eq!(status["workers"][0]["profile"], "cpu", "there is no GPU");
}
