mod properties;

use core_wire::{
    code::{Code, Retry},
    limits::DEVICES_MAX,
};

use super::{rooms::DEVICE_BYTES_MAX, *};

const GIB: u64 = 1 << 30;

fn device(free_bytes: u64) -> Device {
    Device { name: "a GPU".into(), free_bytes, total_bytes: free_bytes.saturating_mul(2) }
}

/// 32 layers of 200 MiB with 56 MiB of context each, in eight billion parameters.
fn llama() -> Layered {
    let facts = ModelFacts {
        n_layer: 32,
        n_vocab: 128_256,
        n_embd: 4096,
        n_params: 8_030_000_000,
        ..ModelFacts::default()
    };
    let needs = Needs {
        mapped: 32 * (200 << 20),
        context: 32 * (56 << 20),
        compute: 512 << 20,
        ..Needs::default()
    };
    Layered::new(&facts, &needs)
}

struct World {
    ledger: Ledger,
    devices: Vec<Device>,
    backends: usize,
    vram_bytes: Option<u64>,
}

impl World {
    fn of(free: &[u64]) -> Self {
        let devices = free.iter().copied().map(device).collect();
        Self { ledger: Ledger::default(), devices, backends: 1, vram_bytes: None }
    }

    fn fit_since(
        &self,
        wish: GpuLayers,
        model: &Layered,
        since: Moment,
    ) -> Result<GpuPlan, Refusal> {
        let Self { ledger, devices, backends, vram_bytes } = self;
        let gpus = Gpus { backends: *backends, devices, since, vram_bytes: *vram_bytes, ledger };
        fit(wish, model, &gpus)
    }

    fn fit(&self, wish: GpuLayers, model: &Layered) -> Result<GpuPlan, Refusal> {
        self.fit_since(wish, model, self.ledger.moment())
    }

    fn refused(&self, wish: GpuLayers) -> Refusal {
        let refusal = self.fit(wish, &llama()).expect_err("nothing fits");
        assert_eq!(self.ledger.granted(0), 0, "a refusal grants nothing");
        refusal
    }
}

#[test]
fn a_model_that_fits_goes_there_whole_and_else_in_part() {
    let whole = World::of(&[24 * GIB]).fit(GpuLayers::Auto, &llama()).unwrap();
    assert_eq!(whole.layers, 33, "32 and the output layer");
    let world = World::of(&[6 * GIB]);
    let part = world.fit(GpuLayers::Auto, &llama()).unwrap();
    // 5,529 MiB may be taken, 512 are for computing, some 840 for the output; 256 each.
    assert_eq!(part.layers, 17);
    let taken = part.grant.as_ref().unwrap().bytes();
    assert_eq!(taken, [world.ledger.granted(0)]);
    assert!(taken[0] <= 6 * GIB / 10 * 9 && taken[0] > 5 * GIB);
    let exact = World::of(&[6 * GIB]).fit(GpuLayers::Exactly(10), &llama()).unwrap();
    assert_eq!(exact.layers, 10);
    assert!(exact.grant.unwrap().bytes()[0] < taken[0]);
}

#[test]
fn without_a_gpu_auto_is_the_cpu_and_a_number_is_refused() {
    let mut world = World::of(&[]);
    for backends in [0, 1] {
        world.backends = backends;
        for wish in [GpuLayers::Auto, GpuLayers::Exactly(0)] {
            let plan = world.fit(wish, &llama()).unwrap();
            assert!(plan.layers == 0 && plan.grant.is_none());
        }
        for wish in [GpuLayers::All, GpuLayers::Exactly(1)] {
            let refusal = world.refused(wish);
            assert_eq!(refusal.code, Code::ModelLoad, "{refusal:?}");
            let named = refusal.message.contains("libggml-cuda.so or libggml-vulkan.so");
            assert_eq!(named, backends == 0, "{}", refusal.message);
        }
    }
    world.devices = vec![device(0)];
    assert_eq!(world.refused(GpuLayers::All).code, Code::ModelLoad);
    assert_eq!(world.fit(GpuLayers::Auto, &llama()).unwrap().layers, 0);
    // A GPU is there and its back end is not.
    world.devices = vec![device(24 * GIB)];
    world.backends = 0;
    assert_eq!(world.refused(GpuLayers::All).code, Code::ModelLoad);
}

#[test]
fn what_is_asked_for_and_does_not_fit_is_refused_with_the_numbers() {
    let world = World::of(&[6 * GIB]);
    for (wish, number) in [(GpuLayers::All, "33 layers"), (GpuLayers::Exactly(20), "20 layers")] {
        let refusal = world.refused(wish);
        assert_eq!((refusal.code, refusal.code.retry()), (Code::Memory, Retry::Later));
        assert!(refusal.retry_after_ms.is_some());
        for text in [number, "5529 MiB may be taken", "17 would fit"] {
            assert!(refusal.message.contains(text), "{}", refusal.message);
        }
    }
    let refusal = world.refused(GpuLayers::Exactly(34));
    assert_eq!(refusal.code, Code::ModelLoad);
    assert!(refusal.message.contains("34") && refusal.message.contains("33"));
}

#[test]
fn nothing_that_a_hostile_report_says_overflows_or_is_indexed() {
    let most = Needs {
        mapped: u64::MAX,
        private: u64::MAX,
        context: u64::MAX,
        compute: u64::MAX,
        base: u64::MAX,
        device: u64::MAX,
    };
    for n in [0, 1, LAYERS_MAX, LAYERS_MAX + 1, u32::MAX] {
        let facts = ModelFacts {
            n_layer: n,
            n_vocab: n,
            n_embd: n,
            n_params: n.into(),
            ..ModelFacts::default()
        };
        for needs in [most, Needs::default()] {
            let model = Layered::new(&facts, &needs);
            let mut world = World::of(&vec![u64::MAX; 3 * DEVICES_MAX]);
            world.vram_bytes = (n > 1).then_some(u64::MAX);
            let auto = world.fit(GpuLayers::Auto, &model).unwrap();
            assert!(auto.layers <= LAYERS_MAX + 1 && auto.layers <= n.saturating_add(1));
            let bytes = auto.grant.map_or_else(Vec::new, |grant| grant.bytes());
            assert!(bytes.len() <= DEVICES_MAX);
            assert!(bytes.iter().all(|bytes| *bytes <= DEVICE_BYTES_MAX));
            let _ = world.fit(GpuLayers::All, &model);
        }
    }
    // More free than there is.
    let mut world = World::of(&[24 * GIB]);
    world.devices[0].total_bytes = 6 * GIB;
    assert_eq!(world.fit(GpuLayers::Auto, &llama()).unwrap().layers, 17);
}

#[test]
fn a_grant_counts_until_a_report_shows_it_and_is_refunded() {
    let world = World::of(&[12 * GIB]);
    let first = world.fit(GpuLayers::All, &llama()).unwrap();
    let before = world.ledger.moment();
    // The report is newer than the grant and its worker may not have taken anything yet.
    assert_eq!(world.refused_after(&first), Code::Memory);
    first.grant.as_ref().unwrap().settle();
    // A report from before it was ready still counts it in full, one from after does not.
    assert!(world.fit_since(GpuLayers::All, &llama(), before).is_err());
    let second = world.fit(GpuLayers::All, &llama()).unwrap();
    let of = |plan: &GpuPlan| plan.grant.as_ref().unwrap().bytes()[0];
    assert_eq!(world.ledger.granted(0), of(&first) + of(&second));
    let left = of(&second);
    drop(first);
    assert_eq!(world.ledger.granted(0), left);
    drop(second);
    assert_eq!(world.ledger.granted(0), 0);
}

impl World {
    fn refused_after(&self, granted: &GpuPlan) -> Code {
        let held = self.ledger.granted(0);
        let refusal = self.fit(GpuLayers::All, &llama()).expect_err("it is taken");
        assert_eq!(held, granted.grant.as_ref().map_or(0, |grant| grant.bytes()[0]));
        refusal.code
    }
}

#[test]
fn a_configured_budget_is_for_all_workers_together() {
    let mut world = World::of(&[24 * GIB, 24 * GIB]);
    world.vram_bytes = Some(8 * GIB);
    let first = world.fit(GpuLayers::Auto, &llama()).unwrap();
    assert_eq!(first.layers, 33);
    first.grant.as_ref().unwrap().settle();
    let second = world.fit(GpuLayers::Auto, &llama()).unwrap();
    assert!(second.layers > 0 && second.layers < 33, "{}", second.layers);
    for device in 0..2 {
        assert!(world.ledger.granted(device) <= 8 * GIB);
    }
    world.vram_bytes = Some(0);
    assert_eq!(world.fit(GpuLayers::Auto, &llama()).unwrap().layers, 0);
}
