use super::*;

const STAGES: [Stage; 3] = [Stage::Load, Stage::Serve, Stage::Broker];

#[test]
fn each_profile_has_its_own_hash_and_the_pid_does_not_change_it() {
    let hashes = STAGES.map(filter_sha256);
    assert!(hashes.iter().all(|hash| hash.len() == 64));
    assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2]);
    assert_ne!(programs(Stage::Serve, 1), programs(Stage::Serve, 2));
}

#[test]
fn the_allow_list_is_the_last_program() {
    for stage in STAGES {
        let layers = Filter::from(stage).compiled().layers;
        let (last, before) = layers.split_last().expect("a profile has a program");
        assert!(last.errno.is_none());
        assert!(before.iter().all(|layer| layer.errno.is_some()));
        assert_eq!(filters(stage), layers.len());
    }
}

#[test]
fn load_lists_all_that_serve_lists() {
    let load = syscalls(Stage::Load);
    assert!(syscalls(Stage::Serve).iter().all(|name| load.contains(name)));
    assert!(!syscalls(Stage::Serve).contains(&"clone3"));
    for name in ["ioctl", "execve", "socket", "connect", "kill", "ptrace", "bpf"] {
        assert!(!load.contains(&name), "{name}");
    }
}

#[test]
fn only_tgkill_waits_for_the_pid() {
    for (stage, slots) in [(Stage::Load, 1), (Stage::Serve, 1), (Stage::Broker, 0)] {
        let found: usize =
            Filter::from(stage).compiled().layers.iter().map(|layer| layer.pid_slots).sum();
        assert_eq!(found, slots, "{stage:?}");
    }
}
