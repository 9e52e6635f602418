use super::*;

const MIB: u64 = 1 << 20;

fn needs() -> Needs {
    Needs {
        mapped: 800 * MIB,
        private: 10 * MIB,
        context: 100 * MIB,
        compute: 50 * MIB,
        base: 40 * MIB,
        device: 0,
    }
}

#[test]
fn a_grant_covers_the_needs_a_margin_and_a_saved_context() {
    let grant = Grant::of_model(&needs(), 2, 60 * MIB);
    assert_eq!(grant.private_bytes(), (200 + 125 + 16 + 60) * MIB);
    assert_eq!(grant.total_bytes(), grant.private_bytes() + 800 * MIB);
    assert_eq!(grant.state_bytes(), 60 * MIB);
    let small = Grant::of_model(&needs(), 2, 1 << 40);
    assert_eq!(small.private_bytes() - grant.private_bytes(), 40 * MIB, "no larger than cells");
    assert_eq!(grant.data_max_bytes() - grant.private_bytes(), (3 * 8 + 64) * MIB);
}

#[test]
fn lies_saturate() {
    let all = u64::MAX;
    let lie = Needs { mapped: all, private: all, context: all, compute: 1, base: 1, device: 1 };
    let grant = Grant::of_model(&lie, u32::MAX, all);
    let numbers = [grant.private_bytes(), grant.total_bytes(), grant.data_max_bytes()];
    assert_eq!(numbers, [all; 3]);
    let none = Grant::of_model(&Needs::default(), 1, all);
    assert_eq!(none.total_bytes(), MARGIN_BYTES);
}

#[test]
fn a_vocabulary_is_granted_by_its_tokens() {
    assert_eq!(Grant::of_vocabulary(Some(1024), u64::MAX).total_bytes(), 33 * MIB);
    assert_eq!(Grant::of_vocabulary(None, MIB).total_bytes(), (32 + 32) * MIB);
    assert_eq!(Grant::of_vocabulary(None, u64::MAX).total_bytes(), (32 + 256) * MIB);
    assert_eq!(Grant::of_chooser().total_bytes(), 32 * MIB);
}

#[test]
fn the_budget_is_four_fifths_of_the_host_or_what_is_configured() {
    let text = "MemTotal:        1000 kB\nMemFree:         10 kB\n";
    assert_eq!(share(total_of(text)), 819_200);
    for bad in ["", "MemTotal: x kB", "MemTotal: 5 MB", "MemTotal: 18446744073709551615 kB"] {
        assert_eq!(share(total_of(bad)), BUDGET_UNKNOWN_BYTES, "{bad}");
    }
    let config = MemoryConfig { budget_bytes: Some(7), ..MemoryConfig::default() };
    assert_eq!(budget_bytes(&config), 7);
    assert!(budget_bytes(&MemoryConfig::default()) > 0);
}

#[test]
fn rings_are_counted_by_worker() {
    assert_eq!(rings_bytes(0), 0);
    assert_eq!(rings_bytes(2), 2 * (3 * MIB + 8192));
}
