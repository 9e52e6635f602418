use core_wire::{
    ids::ModelId,
    worker::{KvType, Weights},
};
use proptest::prelude::*;

use super::{Adapter, Config, GpuLayers, Keep, parse};

fn id(name: &str) -> ModelId {
    ModelId::try_from(name.to_owned()).unwrap()
}

fn wrong(text: &str) -> Vec<(usize, String)> {
    let findings = parse(text).expect_err("this should be refused");
    findings.into_iter().map(|finding| (finding.line, finding.text)).collect()
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse("").unwrap(), (Config::default(), vec![]));
}

const EVERYTHING: &str = r#"
drain_ms = 500
swap_drain_ms = 700
watchdog_ms = 2000
detach_ms = 3000
client_frame_bytes_max = 4096
uids = [1000, 1001]
[defaults]
n_ctx = 2048
slots = 2
threads = 3
step_ms_max = 40
idle_cells = 0
keep_alive_s = 600
kv = "q8_0"
weights = "shared"
gpu_layers = "none"
[memory]
budget_mib = 4096
vram_mib = 1024
[cache]
quota_mib = 100
context_mib = 10
[queue]
requests_max = 10
per_session_max = 5
[outbox]
frames_max = 7
bytes_max = 9000
[models.tiny]
file = "sub/tiny.gguf"
n_ctx = 128
slots = 1
threads = 1
step_ms_max = 10000
idle_cells = 64
sha256 = "00000000000000000000000000000000000000000000000000000000000000ff"
"#;

#[test]
fn every_field_arrives() {
    let (config, odd) = parse(EVERYTHING).unwrap();
    assert!(odd.is_empty(), "{odd:?}");
    assert_eq!((config.drain_ms, config.client_frame_bytes_max), (500, 4096));
    assert_eq!(config.uids, [1000, 1001]);
    assert_eq!((config.defaults.n_ctx, config.defaults.slots), (2048, 2));
    assert_eq!(config.defaults.threads, Some(3));
    assert_eq!((config.defaults.step_ms_max, config.defaults.idle_cells), (40, Some(0)));
    assert_eq!((config.watchdog_ms, config.detach_ms), (2000, 3000));
    assert_eq!((config.swap_drain_ms, config.defaults.keep_alive_s), (700, Some(600)));
    assert_eq!((config.defaults.kv, config.defaults.weights), (KvType::Q8, Some(Weights::Shared)));
    assert_eq!(config.defaults.gpu_layers, GpuLayers::Exactly(0));
    assert_eq!(config.memory.budget_bytes, Some(4 << 30));
    assert_eq!(config.memory.vram_bytes, Some(1 << 30));
    assert_eq!(config.cache.quota_bytes, 100 << 20);
    assert_eq!(config.cache.context_bytes_max, 10 << 20);
    assert_eq!((config.queue.requests_max, config.queue.per_session_max), (10, 5));
    assert_eq!((config.outbox.frames_max, config.outbox.bytes_max), (7, 9000));
    let model = &config.models[&id("tiny")];
    assert_eq!(model.file.as_deref(), Some("sub/tiny.gguf"));
    assert_eq!((model.n_ctx, model.slots, model.threads), (Some(128), Some(1), Some(1)));
    assert_eq!((model.step_ms_max, model.idle_cells), (Some(10_000), Some(64)));
    assert_eq!(model.sha256.unwrap()[31], 0xff);
}

#[test]
fn an_unknown_name_is_told_with_its_line() {
    let found = wrong("drain_ms = 1\n\ndrian_ms = 2\n");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, 3, "{found:?}");
    assert!(found[0].1.contains("drian_ms"), "{found:?}");
    assert_eq!(wrong("a = [\n")[0].0, 1, "broken syntax has a line as well");
}

#[test]
fn all_wrong_values_are_told_at_once() {
    let found = wrong("drain_ms = 4000000\n[defaults]\nslots = 0\nn_ctx = 1\n");
    let lines: Vec<_> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [1, 4, 3]);
    assert!(found[0].1.contains("4000000") && found[0].1.contains("3600000"), "{found:?}");
}

#[test]
fn a_step_takes_a_millisecond_to_ten_seconds() {
    for bad in ["0", "10001"] {
        let found = wrong(&format!("[models.m]\n\nstep_ms_max = {bad}\n"));
        assert_eq!(found[0].0, 3, "{found:?}");
        assert!(found[0].1.contains(bad) && found[0].1.contains("1 to 10000"), "{found:?}");
    }
    let found = wrong("[defaults]\nidle_cells = 1048577\n");
    assert!(found[0].0 == 2 && found[0].1.contains("1048576"), "{found:?}");
}

#[test]
fn a_model_file_stays_beneath_models() {
    for bad in ["../x.gguf", "/x.gguf", "a/../b.gguf", "", "a\\u0000.gguf"] {
        let found = wrong(&format!("[models.m]\nfile = \"{bad}\"\n"));
        assert_eq!(found[0].0, 2, "{bad}");
    }
    for bad in ["[models.\".hidden\"]", "[models.\"a/b\"]", "[models.\"\"]"] {
        assert_eq!(wrong(&format!("\n{bad}\nn_ctx = 64\n")).len(), 1, "{bad}");
    }
}

#[test]
fn a_model_says_where_it_lies_and_how_long() {
    let text = "[models.m]\nkeep = \"high\"\npreload = true\nstandby = true\n\
                tokenizer = \"t.gguf\"\ngpu_layers = 7\n\
                adapters = [{file = \"a.gguf\", scale = 0.5}, {file = \"b.gguf\"}]\n";
    let (config, odd) = parse(text).unwrap();
    assert!(odd.is_empty(), "{odd:?}");
    let model = &config.models[&id("m")];
    assert_eq!((model.keep, model.preload, model.standby), (Keep::High, true, true));
    assert_eq!(model.tokenizer.as_deref(), Some("t.gguf"));
    assert_eq!(model.gpu_layers, Some(GpuLayers::Exactly(7)));
    let adapter = |file: &str, scale| Adapter { file: file.into(), scale };
    assert_eq!(model.adapters, [adapter("a.gguf", 0.5), adapter("b.gguf", 1.0)]);
}

#[test]
fn what_contradicts_itself_or_has_no_meaning_is_wrong() {
    for bad in [
        "pinned = true\nkeep_alive_s = 5",
        "pinned = true\nkeep = \"low\"",
        "keep = \"never\"",
        "kv = \"f17\"",
        "weights = \"lent\"",
        "gpu_layers = \"some\"",
        "gpu_layers = 1025",
        "tokenizer = \"../t.gguf\"",
        "adapters = [{file = \"/a.gguf\"}]",
        "adapters = [{file = \"a.gguf\", scale = nan}]",
        "adapters = [{file = \"a.gguf\", weight = 1}]",
        "adapters = [{scale = 1.0}]",
    ] {
        assert_eq!(wrong(&format!("[models.m]\n{bad}\n")).len(), 1, "{bad}");
    }
    for bad in ["[memory]\nbudget_mib = 0", "[cache]\ncontext_mib = 513", "[cache]\nquota = 1"] {
        assert_eq!(wrong(bad).len(), 1, "{bad}");
    }
}

#[test]
fn a_hash_has_64_digits() {
    let long = "0".repeat(65);
    for bad in ["", "0x00", long.as_str(), &"g".repeat(64), &"é".repeat(32)] {
        assert_eq!(wrong(&format!("[models.m]\nsha256 = \"{bad}\"\n"))[0].0, 2, "{bad}");
    }
}

#[test]
fn what_is_odd_is_allowed_and_told() {
    let text = "drain_ms = 0\nuids = [0, 65534, 7, 7]\n[models.m]\nfile = \"m.bin\"\n";
    let (_, odd) = parse(text).unwrap();
    let lines: Vec<_> = odd.iter().map(|finding| finding.line).collect();
    assert_eq!(lines, [1, 2, 2, 2, 4]);
}

proptest! {
    #[test]
    fn no_text_brings_the_parser_down(text in ".{0,200}") {
        let _ = parse(&text);
    }
}
