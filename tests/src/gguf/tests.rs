//! The generator, checked by reading back what it wrote.

use std::collections::HashSet;
use std::fs;

use clap::ValueEnum;

use super::rng::SplitMix;
use super::vocab;
use super::weights::half;
use super::write::Value;
use super::{
    Broken, Shape, VocabKind, Weight, write_adapter, write_broken, write_model, write_vocab,
};

fn written(shape: &Shape) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let paths = write_model(shape, &dir.path().join("m.gguf")).unwrap();
    assert_eq!(paths.len(), usize::from(shape.split.unwrap_or(1)));
    paths.iter().flat_map(|path| fs::read(path).unwrap()).collect()
}

fn strings(shape: &Shape, name: &str) -> Vec<String> {
    let pairs = vocab::build(shape).unwrap().pairs;
    match pairs.into_iter().find(|(key, _)| key.ends_with(name)) {
        Some((_, Value::Strs(list))) => list,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn splitmix_is_the_published_generator() {
    // First outputs of SplitMix64 from state 0; ours drops the first while seeding.
    let mut rng = SplitMix::new(0, 0);
    assert_eq!(rng.draw(), 0x6E78_9E6A_A1B9_65F4);
    assert_eq!(rng.draw(), 0x06C4_5D18_8009_454F);
}

#[test]
fn halves_are_ieee() {
    let known = [(0.0, 0), (1.0, 0x3c00), (-2.0, 0xc000), (0.1, 0x2e66), (65504.0, 0x7bff)];
    known.iter().for_each(|(x, bits)| assert_eq!(half(*x), *bits, "{x}"));
    assert_eq!(half(1e-9), 0);
    assert_eq!(half(1e9), 0x7bff);
}

#[test]
fn same_seed_same_bytes_other_seed_other_weights() {
    let one = written(&Shape::tiny());
    assert_eq!(one, written(&Shape::tiny()));
    let other = written(&Shape::tiny().with_seed(2));
    assert_eq!(one.len(), other.len());
    assert_ne!(one, other);
}

#[test]
fn size_follows_storage() {
    let sizes = [Weight::F32, Weight::F16, Weight::Q8_0, Weight::Q4_0]
        .map(|weight| written(&Shape { weight, ..Shape::tiny() }).len());
    assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
    assert!((100_000..500_000).contains(&sizes[2]), "tiny is {} bytes", sizes[2]);
}

#[test]
fn vocabularies_have_distinct_tokens_and_sound_merges() {
    for kind in VocabKind::value_variants() {
        for n_vocab in [512, 5000] {
            let shape = Shape { n_vocab, ..Shape::tiny() }.with_vocab(*kind);
            let tokens = strings(&shape, ".tokens");
            let distinct: HashSet<&String> = tokens.iter().collect();
            assert_eq!((tokens.len(), distinct.len()), (n_vocab, n_vocab), "{kind:?}");
        }
    }
    let shape = Shape { n_vocab: 5000, ..Shape::tiny() };
    let tokens: HashSet<String> = strings(&shape, ".tokens").into_iter().collect();
    for merge in strings(&shape, ".merges") {
        let (left, right) = merge.split_once(' ').unwrap();
        let joined = format!("{left}{right}");
        assert!([left, right, &joined].iter().all(|t| tokens.contains(*t)), "{merge}");
    }
}

#[test]
fn split_files_hold_the_same_tensors() {
    let whole = written(&Shape::tiny());
    let split = written(&Shape { split: Some(3), ..Shape::tiny() });
    let tail = &whole[whole.len() - 1000..];
    assert_eq!(&split[split.len() - 1000..], tail);
}

#[test]
fn shapes_that_contradict_themselves_are_refused() {
    let bad = [
        Shape { n_head_kv: 3, ..Shape::tiny() },
        Shape { head_dim: 31, ..Shape::tiny() },
        Shape { n_ff: 100, ..Shape::tiny() },
        Shape { n_vocab: 100, ..Shape::tiny() },
        Shape { split: Some(0), ..Shape::tiny() },
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    bad.iter().for_each(|shape| assert!(write_model(shape, &path).is_err(), "{shape:?}"));
    assert!(!path.exists(), "nothing is written for a bad shape");
}

#[test]
fn vocab_only_and_broken_files_are_small_and_differ() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("v.gguf");
    write_vocab(&Shape::tiny(), &path).unwrap();
    let mut seen = HashSet::from([fs::read(&path).unwrap()]);
    for kind in Broken::value_variants() {
        write_broken(*kind, &path).unwrap();
        assert!(seen.insert(fs::read(&path).unwrap()), "{kind:?} equals another");
    }
}

#[test]
fn a_block_of_four_bits_has_the_deviation_that_was_asked_for() {
    let shape = Shape { weight: Weight::Q4_0, ..Shape::tiny() };
    let bytes = written(&shape);
    // The last tensor of the file: blocks of a half and 16 bytes, straight to the end.
    let blocks = bytes[bytes.len() - 18 * 200..].chunks(18);
    let nibbles = blocks.flat_map(|block| block[2..].iter().flat_map(|b| [b & 15, b >> 4]));
    let values: Vec<f32> = nibbles.map(|nibble| f32::from(nibble) - 8.0).collect();
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    let square = values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32;
    assert!(mean.abs() < 0.2 && (square.sqrt() - 4.18).abs() < 0.1, "{mean} {square}");
}

#[test]
fn an_adapter_has_two_thin_matrices_for_each_layer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.gguf");
    write_adapter(&Shape::tiny(), 4, &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    for layer in 0..Shape::tiny().n_layer {
        assert!(text.contains(&format!("blk.{layer}.attn_q.weight.lora_a")), "{layer}");
        assert!(text.contains(&format!("blk.{layer}.attn_q.weight.lora_b")), "{layer}");
    }
    // Two layers of (64 * 4 + 4 * 64) floats behind a small header.
    assert!((4096..6000).contains(&bytes.len()), "{}", bytes.len());
    assert!(write_adapter(&Shape::tiny(), 0, &path).is_err());
}
