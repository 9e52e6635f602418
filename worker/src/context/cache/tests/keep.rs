use core_wire::ids::{DomainId, JobId};

use super::{A, B, PUBLIC, ROOMY, ask, entry, pause, run, text};
use crate::context::{
    cache::{Act, Cache, Limits, Live, PUBLISHED_MAX},
    pool::Sharing,
};

/// A text that has nothing in common with others of another `kind`.
fn kind(kind: i32, count: i32) -> Vec<llama_cpp_2::token::LlamaToken> {
    (0..count).map(|at| llama_cpp_2::token::LlamaToken::new(kind * 10_000 + at)).collect()
}

#[test]
fn a_forgotten_domain_is_out_of_reach_at_once() {
    let mut cache = Cache::new(ROOMY);
    for domain in [A, B, PUBLIC] {
        run(&mut cache, domain, &text(20, 0));
    }
    pause(&mut cache, 1, A, &text(9, 0));
    cache.acts();
    cache.forget(DomainId(1));
    assert_eq!(cache.acts().len(), 2);
    assert!(cache.last(DomainId(1)).is_none() && cache.last(DomainId(2)).is_some());
    cache.forget(DomainId::PUBLIC);
    assert_eq!(run(&mut cache, A, &text(30, 0)), 0);
}

#[test]
fn the_one_used_longest_ago_goes_first_and_published_ones_last() {
    let mut cache = Cache::new(Limits { idle: 60, ..ROOMY });
    run(&mut cache, PUBLIC, &kind(1, 20));
    run(&mut cache, A, &kind(2, 20));
    run(&mut cache, B, &kind(3, 20));
    assert_eq!(run(&mut cache, A, &kind(2, 20)), 19, "it was used again");
    run(&mut cache, A, &kind(4, 20));
    assert!(cache.last(DomainId(2)).is_none(), "nobody asked for it since");
    assert_eq!(cache.cells(&[]), 60);
    let domains = |cache: &Cache| cache.kept.iter().filter_map(|e| e.domain).collect::<Vec<_>>();
    assert_eq!(domains(&cache), [DomainId::PUBLIC, DomainId(1), DomainId(1)]);
    assert!(cache.drop_one() && cache.drop_one());
    assert_eq!(domains(&cache), [DomainId::PUBLIC]);
    assert!(cache.drop_one() && !cache.drop_one());
}

#[test]
fn what_is_too_long_is_cut_where_it_can_be() {
    let mut cache = Cache::new(Limits { idle: 30, ..ROOMY });
    run(&mut cache, A, &text(50, 0));
    assert_eq!(cache.acts().last(), Some(&Act::Cut { slot: 0, from: 30 }));
    assert_eq!(run(&mut cache, A, &text(50, 0)), 30);
    let mut whole = Cache::new(Limits { idle: 30, sharing: Sharing::Whole, ..ROOMY });
    run(&mut whole, A, &text(50, 0));
    assert!(whole.is_empty());
    let mut none = Cache::new(Limits { idle: 0, ..ROOMY });
    run(&mut none, A, &text(50, 0));
    assert!(none.is_empty());
}

#[test]
fn a_beginning_of_what_is_kept_is_not_kept_beside_it() {
    let mut cache = Cache::new(ROOMY);
    let (short, long) = (text(10, 0), text(20, 0));
    let one = cache.begin(&ask(A, &short), &[]).unwrap();
    let two = cache.begin(&ask(A, &long), &[]).unwrap();
    assert_eq!(cache.keep(entry(two, A, &long), &[]), 20);
    assert_eq!(cache.keep(entry(one, A, &short), &[]), 10, "as good as kept");
    assert_eq!(cache.kept.len(), 1);
    let other = cache.begin(&ask(B, &short), &[]).unwrap();
    cache.keep(entry(other, B, &short), &[]);
    assert_eq!(cache.kept.len(), 2, "of another domain");
}

#[test]
fn published_ones_are_bounded_in_number() {
    let mut cache = Cache::new(Limits { sequences: 64, ..ROOMY });
    for at in 0..=PUBLISHED_MAX {
        run(&mut cache, PUBLIC, &kind(i32::try_from(at).unwrap(), 3));
    }
    assert_eq!(cache.kept.len(), PUBLISHED_MAX);
    assert_eq!(run(&mut cache, A, &kind(0, 3)), 0, "the first went");
}

#[test]
fn what_those_who_run_see_is_not_idle() {
    let mut cache = Cache::new(Limits { idle: 30, ..ROOMY });
    run(&mut cache, PUBLIC, &text(20, 0));
    let tokens = text(40, 0);
    let begun = cache.begin(&ask(A, &tokens), &[]).unwrap();
    let live = [Live { job: JobId(1), domain: A, slot: 1, tokens: &tokens, cells: &begun.cells }];
    assert_eq!((cache.cells(&live), cache.idle(&live)), (40, 0));
    let other = kind(7, 25);
    let next = cache.begin(&ask(B, &other), &live).unwrap();
    assert_eq!(cache.keep(entry(next, B, &other), &live), 25);
    assert_eq!(cache.cells(&live), 65);
}

#[test]
fn nobody_waits_for_long_for_one_that_pauses() {
    let mut cache = Cache::new(ROOMY);
    pause(&mut cache, 1, None, &text(9, 0));
    pause(&mut cache, 2, A, &text(9, 0));
    cache.settle();
    assert_eq!(cache.kept.len(), 1);
    assert_eq!(run(&mut cache, A, &text(12, 0)), 9);
    assert_eq!(cache.kept.len(), 1, "it was free to be taken");
}

#[test]
fn room_for_what_comes_from_elsewhere_is_made() {
    let mut cache = Cache::new(Limits { n_ctx: 100, idle: 60, ..ROOMY });
    run(&mut cache, A, &text(50, 0));
    let (slot, cells) = cache.room(40, &[]).unwrap();
    assert_eq!((cells.count(), cache.is_empty()), (40, true));
    cache.release(slot);
    assert!(cache.room(61, &[]).is_none(), "more than may be kept");
    let tokens = text(70, 0);
    let begun = cache.begin(&ask(A, &tokens), &[]).unwrap();
    let live = [Live { job: JobId(1), domain: A, slot: 0, tokens: &tokens, cells: &begun.cells }];
    assert!(cache.room(31, &live).is_none(), "more than those who run leave");
    assert!(cache.room(30, &live).is_some());
}
