use super::{OomKills, Resident, oom_kills_of, read_oom_kills};

#[test]
fn what_is_shared_is_not_its_own() {
    let found = Resident::read("15952 6354 4199 691 0 10777 0\n", 4096);
    assert_eq!(found, Some(Resident { all: 6354 * 4096, private: 2155 * 4096 }));
    for bad in ["", "1 2", "1 x 2", "1 2 x"] {
        assert_eq!(Resident::read(bad, 4096), None, "{bad}");
    }
    let own = Resident::of(std::process::id()).expect("this process runs");
    assert!(own.private > 0 && own.private <= own.all);
    // Far more than what other tests free meanwhile.
    let touched = std::hint::black_box(vec![1_u8; 256 << 20]);
    let grown = Resident::of(std::process::id()).expect("this process runs");
    assert!(grown.private >= own.private + (128 << 20), "{own:?} {grown:?}");
    drop(touched);
}

#[test]
fn the_kernels_counter_is_found_and_compared_with_the_look_before_the_last() {
    let vmstat = "pgfault 1\noom_kill 8\nnuma_hit 3\n";
    assert_eq!(oom_kills_of(vmstat), Some(8));
    for bad in ["", "oom_kill", "oom_kill x\n", "drop_oom_kill 8\n"] {
        assert_eq!(oom_kills_of(bad), None, "{bad}");
    }
    assert!(read_oom_kills().is_some(), "this kernel tells");
    // The look between the counter and the process's end does not hide that it moved.
    let late = OomKills { before: Some(8), last: Some(9) };
    assert_eq!(late.explains_at(Some(9), 0), Some(9));
    assert_eq!(late.explains_at(Some(9), 9), None, "it explains one death, not two");
    assert_eq!(late.explains_at(Some(10), 9), Some(10));
    let still = OomKills { before: Some(9), last: Some(9) };
    assert_eq!(still.explains_at(Some(9), 0), None);
    assert_eq!(still.explains_at(Some(10), 0), Some(10));
    assert_eq!(still.explains_at(None, 0), None, "what cannot be read says nothing");
    assert_eq!(OomKills { before: None, last: None }.explains_at(Some(1), 0), None);
}

#[test]
fn who_has_ended_is_told_from_who_runs() {
    assert!(!Resident::has_ended(std::process::id()));
    let mut child = std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap();
    assert!(!Resident::has_ended(child.id()));
    child.kill().unwrap();
    // Not waited for, so its id is still its own.
    let ended = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        Resident::has_ended(child.id())
    });
    child.wait().unwrap();
    assert!(ended, "a process that was killed is seen to have ended");
}
