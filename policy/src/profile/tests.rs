use super::*;

#[test]
fn the_cpu_profile_opens_nothing_and_drops_nothing() {
    assert_eq!(Profile::default(), Profile::Cpu);
    assert_eq!([Profile::Cpu, Profile::Gpu].map(Profile::name), ["cpu", "gpu"]);
    assert!(Profile::Cpu.nodes().is_empty() && Profile::Cpu.driver_files().is_empty());
    assert!(Profile::Cpu.rows(How::OwnWord).is_empty());
    assert_eq!(Profile::of_backends::<&str>(&[]), Profile::Cpu);
    assert_eq!(Profile::of_backends(&["libggml-cuda.so"]), Profile::Gpu);
}

#[test]
fn the_gpu_profile_names_single_device_nodes() {
    let nodes = Profile::Gpu.nodes();
    let has = |path: &str| nodes.contains(&PathBuf::from(path));
    assert_eq!(nodes.len(), 16 + 1 + 1 + 16);
    assert!(has("/dev/nvidia0") && has("/dev/nvidiactl") && has("/dev/nvidia-uvm"));
    assert!(has("/dev/dri/renderD128") && has("/dev/dri/renderD143"));
    // The screen's own nodes, and directories: a rule on one would grant all that lies in it.
    for path in ["/dev", "/dev/dri", "/dev/dri/card0", "/dev/nvidia", "/dev/nvidia-modeset"] {
        assert!(!has(path), "{path}");
    }
}

#[test]
fn everything_has_a_reason() {
    let reasons = NODES.iter().map(|nodes| nodes.reason);
    for reason in reasons.chain(DRIVER_FILES.iter().map(|(_, reason)| *reason)) {
        assert!(reason.len() > 10, "{reason:?} says nothing");
    }
}

#[test]
fn a_worker_under_it_is_never_wholly_protected() {
    let mut report = crate::report::Report::default();
    report.merge(Profile::Gpu.rows(How::OutsideAtLocked));
    assert_eq!(report.degraded(), ["profile.gpu"]);
    // What a worker says of itself does not paint it over.
    report.merge([Row::yes(layer::PROFILE_GPU, How::OwnWord, "")]);
    assert_eq!(report.degraded(), ["profile.gpu"]);
}
