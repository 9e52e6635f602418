//! The counted tree against a sorted vector.

use proptest::prelude::*;

use crate::scheduler::ranks::Ranks;

/// Keys that a history may use: few, so that insertions meet what is there.
const KEYS: u16 = 300;

fn same(ranks: &Ranks<u16>, model: &[u16], key: u16) {
    assert_eq!((ranks.len(), ranks.is_empty()), (model.len(), model.is_empty()));
    assert_eq!(ranks.first(), model.first().copied());
    assert_eq!(ranks.rank(key), model.partition_point(|&other| other < key));
    let skipped = usize::from(key) % (model.len() + 2);
    let rest: Vec<_> = ranks.from(skipped).collect();
    assert_eq!(rest, model.get(skipped..).unwrap_or_default());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_a_sorted_vector(ops in proptest::collection::vec((0..3u8, 0..KEYS), 1..400)) {
        let (mut ranks, mut model) = (Ranks::default(), Vec::new());
        for (op, key) in ops {
            let place = model.binary_search(&key);
            match (op, place) {
                (0 | 1, Ok(_)) => ranks.insert(key),
                (0 | 1, Err(place)) => {
                    ranks.insert(key);
                    model.insert(place, key);
                }
                (_, Ok(place)) => {
                    ranks.remove(key);
                    model.remove(place);
                }
                (_, Err(_)) => ranks.remove(key),
            }
            same(&ranks, &model, key);
        }
    }
}

#[test]
fn it_stays_shallow_in_the_worst_orders() {
    let mut ranks = Ranks::default();
    (0..100_000u32).for_each(|key| ranks.insert(key));
    // log(n + 1) / log(4 / 3): each level leaves at most three quarters of the weight.
    assert!(ranks.depth() <= 41, "{} after insertion in order", ranks.depth());
    (0..90_000).for_each(|key| ranks.remove(key));
    (200_000..290_000u32).rev().for_each(|key| ranks.insert(key));
    assert!(ranks.depth() <= 41, "{} after removal from one side", ranks.depth());
    assert_eq!(ranks.len(), 100_000);
    let all: Vec<_> = ranks.from(0).collect();
    assert!(all.is_sorted());
}
