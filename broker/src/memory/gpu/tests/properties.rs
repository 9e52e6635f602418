//! What holds for every model, every set of devices, and every order of grants.

use proptest::prelude::*;

use super::*;

prop_compose! {
    fn models()(
        n_layer in 1..200_u32,
        layer in 1..2 * GIB,
        output in 0..2 * GIB,
        compute in 0..4 * GIB,
    ) -> Layered {
        Layered { n_layer, layer, output, compute }
    }
}

fn frees() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(1..96 * GIB, 1..=8)
}

fn wishes() -> impl Strategy<Value = GpuLayers> {
    prop_oneof![
        Just(GpuLayers::Auto),
        Just(GpuLayers::All),
        (0..220_u32).prop_map(GpuLayers::Exactly),
    ]
}

proptest! {
    #[test]
    fn no_device_is_ever_granted_more_than_its_budget(
        model in models(),
        free in frees(),
        vram in prop::option::of(0..96 * GIB),
        steps in prop::collection::vec((wishes(), any::<bool>(), any::<bool>()), 1..12),
    ) {
        let mut world = World::of(&free);
        world.vram_bytes = vram;
        let since = world.ledger.moment();
        let mut held = Vec::new();
        for (wish, settles, ends) in steps {
            if let Ok(plan) = world.fit_since(wish, &model, since) {
                prop_assert!(plan.layers <= model.n_layer + 1);
                prop_assert_eq!(plan.layers > 0, plan.grant.is_some());
                prop_assert!(wish != GpuLayers::All || plan.layers == model.n_layer + 1);
                held.extend(plan.grant);
            }
            if let (true, Some(grant)) = (settles, held.last()) {
                grant.settle();
            }
            if ends {
                held.pop();
            }
            for (device, free) in free.iter().enumerate() {
                let granted = world.ledger.granted(device);
                // Nine tenths, rounded up to a byte.
                let most = vram.unwrap_or(u64::MAX).min((free * 9).div_ceil(10));
                let most = if vram.is_some() { vram.unwrap_or(0).min(*free) } else { most };
                prop_assert!(granted <= most, "device {device}: {granted} of {most}");
            }
        }
        held.clear();
        for device in 0..free.len() {
            prop_assert_eq!(world.ledger.granted(device), 0);
        }
    }

    #[test]
    fn more_free_memory_never_means_fewer_layers(
        model in models(),
        free in frees(),
        more in prop::collection::vec(0..16 * GIB, 8),
    ) {
        let raised: Vec<_> = free.iter().zip(&more).map(|(free, more)| free + more).collect();
        let layers = |free: &[u64]| {
            World::of(free).fit(GpuLayers::Auto, &model).map_or(0, |plan| plan.layers)
        };
        prop_assert!(layers(&raised) >= layers(&free), "{free:?} and {raised:?}");
        let capped = |free: &[u64]| {
            let mut world = World::of(free);
            world.vram_bytes = Some(more[7]);
            world.fit(GpuLayers::Auto, &model).map_or(0, |plan| plan.layers)
        };
        prop_assert!(capped(&raised[..1]) >= capped(&free[..1]));
    }

    #[test]
    fn a_number_that_fits_is_what_auto_would_take_at_least(
        model in models(),
        free in frees(),
        layers in 1..201_u32,
    ) {
        let auto = World::of(&free).fit(GpuLayers::Auto, &model).map_or(0, |plan| plan.layers);
        let exact = World::of(&free).fit(GpuLayers::Exactly(layers), &model);
        match exact {
            Ok(plan) => prop_assert!(plan.layers == layers && layers <= auto),
            Err(refusal) if refusal.code == Code::Memory => prop_assert!(layers > auto),
            Err(refusal) => {
                prop_assert_eq!(refusal.code, Code::ModelLoad);
                prop_assert!(layers > model.n_layer + 1);
            }
        }
    }
}
