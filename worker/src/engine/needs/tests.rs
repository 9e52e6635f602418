use super::{Found, PROCESS_BYTES};
use crate::llama::memory::{Place, Taken};

fn taken(place: Place, model: u64, context: u64, compute: u64) -> Taken {
    Taken { place, model, context, compute }
}

#[test]
fn each_byte_is_counted_once_and_where_it_lies() {
    let found = Found {
        serving: vec![
            taken(Place::Plain, 1000, 200, 30),
            taken(Place::Host, 400, 0, 5),
            taken(Place::Device, 7000, 800, 90),
        ],
        // Its weights are those of the serving context.
        embedding: vec![taken(Place::Plain, 1000, 20, 3), taken(Place::Device, 7000, 1, 1)],
        outputs: 4,
        adapters: 50,
        heap: 6,
        ids: 0,
    };
    let needs = found.needs();
    assert_eq!((needs.mapped, needs.private), (1000, 450));
    assert_eq!((needs.context, needs.compute), (220, 42));
    assert_eq!((needs.device, needs.base), (7892, PROCESS_BYTES + 6));
}

#[test]
fn absurd_sizes_do_not_wrap() {
    let huge = taken(Place::Plain, u64::MAX, u64::MAX, u64::MAX);
    let found = Found { serving: vec![huge, huge], heap: u64::MAX, ..Found::default() };
    let needs = found.needs();
    assert_eq!((needs.mapped, needs.base), (u64::MAX, u64::MAX));
    assert_eq!(needs.host_total(), u64::MAX);
}
