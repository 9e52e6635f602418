//! The environment of a worker: a fixed list and nothing inherited.

/// Most threads that a worker's OpenMP team may have; beyond it the value in a configuration is a
/// mistake rather than a machine (the largest x86-64 servers have fewer than 1,024 hardware
/// threads).
pub const THREADS_MAX: u32 = 1024;

/// Turns of a loop that a thread of the team waits at a barrier before it sleeps, a few
/// microseconds: as long as the others need to arrive when nothing else wants the cores.
const SPIN_TURNS: u32 = 300;

/// The whole environment of a worker, for `env_clear` followed by `envs`.
///
/// `GGML_NO_BACKTRACE` keeps a failed assertion from forking a debugger, which LOAD would answer
/// with SIGSYS. `OMP_WAIT_POLICY` is passive because spinning threads collapse when cores are
/// shared; but a thread that never spins is woken some forty times for each token, which took
/// half of a small model's time (policy/docs/adr/0005-spin-briefly.md).
/// `threads` is clamped to 1..=[`THREADS_MAX`].
pub fn worker_env(threads: u32) -> Vec<(&'static str, String)> {
    vec![
        ("LANG", "C.UTF-8".into()),
        ("GGML_NO_BACKTRACE", "1".into()),
        ("OMP_NUM_THREADS", threads.clamp(1, THREADS_MAX).to_string()),
        ("OMP_WAIT_POLICY", "PASSIVE".into()),
        ("GOMP_SPINCOUNT", SPIN_TURNS.to_string()),
    ]
}
