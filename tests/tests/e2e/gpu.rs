//! What an installed GPU back end changes where no model goes to a GPU. No device is played: the
//! file with the back end's name is a copy of a CPU variant, and nothing loads it.

use std::fs;

use core_policy::{
    profile::Profile,
    seccomp::{self, Stage},
};
use core_tests::harness::{Broker, Install};
use serde_json::Value;

/// A broker that keeps its models on the CPU, with this file beside its CPU variants.
fn broker(library: &str) -> Broker {
    let install = Install::new().expect("an installation");
    install.add_story().expect("a model");
    let variant = install.engine().join("libggml-cpu-x64.so");
    fs::copy(variant, install.engine().join(library)).expect("a file");
    let config = "[defaults]\ngpu_layers = \"none\"\n";
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
