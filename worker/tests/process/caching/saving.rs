//! Contexts that leave a worker and come back to another, and bytes that are none.

use core_wire::{
    code::Code,
    ids::DomainId,
    worker::{ToWorker, config::KvType},
};

use super::{A, B, ask, cached, prompt, restore, save, worker, worker_with};
use crate::player::Worker;

/// A saved context of `count` tokens.
fn saved(count: u32) -> (Vec<u8>, Vec<u32>) {
    let mut worker = worker();
    let said = prompt(0, count);
    cached(&mut worker, A, &said);
    (save(&mut worker, A).unwrap(), said)
}

fn is_broken(worker: &mut Worker, bytes: &[u8]) -> bool {
    match restore(worker, A, bytes) {
        Ok(_) => false,
        Err(refused) => {
            assert_eq!(refused.code, Code::ContextBroken, "{refused:?}");
            true
        }
    }
}

#[test]
fn a_talk_goes_on_in_another_worker() {
    let mut first = worker();
    let said = prompt(0, 120);
    let answer = ask(&mut first, A, &said, 10);
    let bytes = save(&mut first, A).unwrap();
    assert_eq!(bytes[..4], 129_u32.to_le_bytes());
    let next = [&said[..], &answer.tokens, &prompt(3, 6)].concat();
    let warm = ask(&mut first, A, &next, 20);
    drop(first);
    let mut second = worker();
    assert_eq!(restore(&mut second, B, &bytes).unwrap(), 129);
    assert_eq!(cached(&mut second, A, &next), 0, "it belongs to who restored it");
    let restored = ask(&mut second, B, &next, 20);
    assert_eq!(restored.cached_tokens, 129);
    assert_eq!(restored.tokens, warm.tokens);
    assert_eq!(restored.tokens, ask(&mut worker(), None, &next, 20).tokens);
    second.tell(&ToWorker::Forget(DomainId(2)));
    assert_eq!(cached(&mut second, B, &next), 0);
}

#[test]
fn keys_and_values_of_fewer_bits_are_saved_as_well() {
    for kv in [KvType::Q8, KvType::Q4] {
        let worker = || {
            worker_with(|plan| {
                plan.idle_cells_max = 400;
                plan.kv = kv;
            })
        };
        let (mut first, mut second) = (worker(), worker());
        let said = prompt(0, 80);
        cached(&mut first, A, &said);
        let next = [&said[..], &prompt(3, 6)].concat();
        let bytes = save(&mut first, A).unwrap();
        assert_eq!(restore(&mut second, A, &bytes).unwrap(), 80, "{kv:?}");
        let restored = ask(&mut second, A, &next, 10);
        assert_eq!(restored.cached_tokens, 80);
        assert_eq!(restored.tokens, ask(&mut first, A, &next, 10).tokens, "{kv:?}");
        let mut plain = super::worker();
        assert!(is_broken(&mut plain, &bytes), "another type of numbers");
    }
}

#[test]
fn what_a_session_used_last_is_saved() {
    let mut worker = worker();
    for (domain, count) in [(A, 20), (A, 30), (B, 40)] {
        cached(&mut worker, domain, &prompt(count, count));
    }
    assert_eq!(save(&mut worker, A).unwrap()[..4], 30_u32.to_le_bytes());
    cached(&mut worker, A, &prompt(20, 21));
    assert_eq!(save(&mut worker, A).unwrap()[..4], 21_u32.to_le_bytes());
}

#[test]
fn without_a_context_or_a_session_nothing_is_saved() {
    let mut worker = worker();
    let (bytes, said) = saved(20);
    cached(&mut worker, B, &said);
    let public = Some(DomainId::PUBLIC);
    for domain in [A, None, public] {
        assert_eq!(save(&mut worker, domain).unwrap_err().code, Code::BadParameter);
    }
    for domain in [None, public] {
        let refused = restore(&mut worker, domain, &bytes).unwrap_err();
        assert_eq!(refused.code, Code::BadParameter);
    }
}

#[test]
fn a_context_finds_room_or_is_refused() {
    let (bytes, said) = saved(200);
    let mut small = worker_with(|plan| plan.idle_cells_max = 199);
    assert_eq!(restore(&mut small, A, &bytes).unwrap_err().code, Code::Memory);
    let mut short = worker_with(|plan| plan.n_ctx = 128);
    assert_eq!(restore(&mut short, A, &bytes).unwrap_err().code, Code::Memory);
    let mut full = worker_with(|plan| plan.idle_cells_max = 250);
    cached(&mut full, B, &prompt(1, 240));
    assert_eq!(restore(&mut full, A, &bytes).unwrap(), 200, "what was kept gave way");
    assert_eq!(cached(&mut full, A, &said), 199);
}

#[test]
fn a_truncated_context_is_refused() {
    let (bytes, said) = saved(60);
    let mut worker = worker();
    let state = 4 + 4 * 60;
    let cuts = [1, 3, 4, 5, state - 1, state, state + 4, state + 19, state + 100, bytes.len() / 2];
    for cut in cuts.into_iter().chain([bytes.len() - 1]) {
        assert!(is_broken(&mut worker, &bytes[..cut]), "{cut}");
    }
    assert!(is_broken(&mut worker, &[&bytes[..], &[0]].concat()));
    assert_eq!(cached(&mut worker, A, &said), 0, "nothing is half loaded");
    assert_eq!(restore(&mut worker, A, &bytes).unwrap(), 60);
}

#[test]
fn a_changed_context_kills_nobody() {
    let (bytes, said) = saved(60);
    let mut worker = worker();
    let clean = ask(&mut worker, B, &said, 12).tokens;
    let head = 4 + 4 * 60;
    // Everything that describes the state, then the state itself here and there.
    let described = head..head + 16 + 12 * 60 + 16 + 12;
    let sampled = (described.end..bytes.len()).step_by(bytes.len() / 60);
    let mut refused = 0;
    for at in (0..4).chain(described.step_by(3)).chain(sampled) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        refused += u32::from(is_broken(&mut worker, &changed));
        worker.tell(&ToWorker::Forget(DomainId(1)));
    }
    assert!(refused > 100, "{refused}");
    // Tokens that are others', or none: the bytes are a state of theirs as far as one can see.
    for at in (4..head).step_by(4) {
        let mut changed = bytes.clone();
        changed[at + 3] = 0x80;
        assert!(is_broken(&mut worker, &changed), "{at}");
    }
    assert_eq!(ask(&mut worker, B, &said, 12).tokens, clean, "nobody else has noticed");
}

#[test]
fn a_context_of_values_that_are_none_is_refused() {
    let (bytes, said) = saved(60);
    let mut worker = worker();
    let end = bytes.len();
    for (at, value) in [(end - 2, 0x7e00_u16), (end - 2000, 0x7c00), (end - 4002, 0xfc00)] {
        let mut changed = bytes.clone();
        changed[at..at + 2].copy_from_slice(&value.to_le_bytes());
        assert!(is_broken(&mut worker, &changed), "{value:#x} at {at}");
    }
    assert_eq!(cached(&mut worker, A, &said), 0);
}
