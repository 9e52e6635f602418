use core_wire::ids::JobId;

use super::{A, B, PUBLIC, ROOMY, ask, pause, run, text};
use crate::context::{
    cache::{Act, Ask, Cache, Limits, Live},
    cells::{Cells, Origin},
    pool::Sharing,
};

#[test]
fn a_talk_goes_on_where_it_ended() {
    let mut cache = Cache::new(ROOMY);
    assert_eq!(run(&mut cache, A, &text(20, 0)), 0);
    let longer = text(40, 0);
    assert_eq!(run(&mut cache, A, &longer), 20);
    assert_eq!(run(&mut cache, A, &longer), 39, "the last one's logits are needed");
    assert_eq!(cache.kept.len(), 1, "all of them in one place");
}

#[test]
fn a_domain_sees_its_own_cells_alone() {
    let mut cache = Cache::new(ROOMY);
    run(&mut cache, A, &text(20, 0));
    assert_eq!(run(&mut cache, B, &text(20, 0)), 0);
    assert_eq!(run(&mut cache, None, &text(20, 0)), 0);
    assert_eq!(run(&mut cache, PUBLIC, &text(20, 0)), 0, "a public prefix is computed");
    assert_eq!(cache.kept.len(), 3, "nothing stays without a domain");
}

#[test]
fn what_is_published_serves_everybody_and_stays() {
    let mut cache = Cache::new(ROOMY);
    run(&mut cache, PUBLIC, &text(20, 0));
    for domain in [A, B] {
        assert_eq!(run(&mut cache, domain, &text(30, 0)), 20);
    }
    assert_eq!(run(&mut cache, None, &text(30, 0)), 0, "who asks for nothing gets nothing");
    assert_eq!(cache.cells(&[]), 20 + 10 + 10, "the prefix is counted once");
}

#[test]
fn another_talk_with_a_short_beginning_in_common_stays() {
    let mut cache = Cache::new(ROOMY);
    run(&mut cache, A, &text(30, 0));
    cache.acts();
    let other = text(20, 12);
    let begun = cache.begin(&ask(A, &other), &[]).unwrap();
    assert_eq!((begun.cached, cache.kept.len()), (8, 1));
    assert_eq!(cache.acts(), [Act::Share { from: 0, to: 1, count: 8 }]);
    let edited = text(30, 10);
    let begun = cache.begin(&ask(A, &edited), &[]).unwrap();
    assert_eq!((begun.cached, begun.slot.id(), cache.kept.len()), (20, 0, 0));
    assert_eq!(cache.acts(), [Act::Cut { slot: 0, from: 20 }]);
}

#[test]
fn one_that_runs_serves_its_domain() {
    let mut cache = Cache::new(ROOMY);
    let tokens = text(20, 0);
    let first = cache.begin(&ask(A, &tokens), &[]).unwrap();
    let live = [Live {
        job: JobId(1),
        domain: A,
        slot: first.slot.id(),
        tokens: &tokens[..15],
        cells: &first.cells,
    }];
    let second = cache.begin(&ask(A, &tokens), &live).unwrap();
    assert_eq!((second.cached, second.cells.count()), (15, 20));
    assert_eq!(cache.begin(&ask(B, &tokens), &live).unwrap().cached, 0);
    let named = Ask { domain: None, named: Some(JobId(1)), tokens: &tokens };
    assert_eq!(cache.begin(&named, &live).unwrap().cached, 0, "of another domain");
    let nobodys = [Live { domain: None, ..live[0] }];
    assert_eq!(cache.begin(&named, &nobodys).unwrap().cached, 15, "another answer to one prompt");
}

#[test]
fn only_the_named_job_gets_back_what_pauses() {
    let mut cache = Cache::new(ROOMY);
    let tokens = text(20, 0);
    pause(&mut cache, 1, None, &tokens[..10]);
    let named = |job| Ask { domain: None, named: Some(JobId(job)), tokens: &tokens };
    assert_eq!(cache.begin(&named(2), &[]).unwrap().cached, 0);
    assert_eq!(cache.begin(&named(1), &[]).unwrap().cached, 10);
    assert_eq!(cache.begin(&named(1), &[]).unwrap().cached, 0, "once");
    pause(&mut cache, 3, A, &tokens[..10]);
    let others = Ask { domain: B, ..named(3) };
    assert_eq!(cache.begin(&others, &[]).unwrap().cached, 0);
    pause(&mut cache, 3, A, &tokens[..10]);
    assert_eq!(cache.begin(&ask(A, &tokens), &[]).unwrap().cached, 10);
    assert_eq!(cache.kept.len(), 1, "it is still there for the one that continues it");
}

#[test]
fn what_pauses_and_is_no_beginning_is_dropped() {
    let mut cache = Cache::new(ROOMY);
    for other in [text(10, 5), text(8, 0), text(10, 0)] {
        pause(&mut cache, 1, None, &text(10, 0));
        let named = Ask { domain: None, named: Some(JobId(1)), tokens: &other };
        let begun = cache.begin(&named, &[]).unwrap();
        assert_eq!((begun.cached, cache.kept.len()), (0, 0));
        cache.release(begun.slot);
    }
}

#[test]
fn where_a_state_moves_on_only_a_whole_one_is_continued() {
    let mut cache = Cache::new(Limits { sharing: Sharing::Whole, ..ROOMY });
    run(&mut cache, A, &text(20, 0));
    run(&mut cache, PUBLIC, &text(25, 0));
    assert_eq!(run(&mut cache, A, &text(30, 15)), 0);
    assert_eq!(run(&mut cache, A, &text(20, 0)), 0, "one token is to be computed");
    cache.acts();
    assert_eq!(cache.begin(&ask(A, &text(30, 0)), &[]).unwrap().cached, 20);
    assert!(cache.acts().is_empty(), "nothing is cut and nothing shared");
}

#[test]
fn without_another_id_the_entry_itself_is_taken() {
    let mut cache = Cache::new(Limits { sequences: 1, ..ROOMY });
    run(&mut cache, PUBLIC, &text(20, 0));
    cache.acts();
    let begun = cache.begin(&ask(A, &text(30, 0)), &[]).unwrap();
    assert_eq!((begun.cached, begun.slot.id(), cache.kept.len()), (20, 0, 0));
    assert!(cache.begin(&ask(A, &text(30, 0)), &[]).is_none(), "no id is left");
}

#[test]
fn what_is_shared_needs_no_room() {
    let cells = Cells::default().then(Origin(9), 900);
    let cache = Cache::new(ROOMY);
    let tokens = text(900, 0);
    let live = [Live { job: JobId(1), domain: A, slot: 0, tokens: &tokens, cells: &cells }];
    let next = text(950, 0);
    assert!(cache.fits(&ask(A, &next), 50, &live));
    assert!(!cache.fits(&ask(A, &next), 51, &live));
    assert!(!cache.fits(&ask(B, &next), 0, &live));
    assert!(cache.fits(&ask(B, &next), 50, &[]));
}
