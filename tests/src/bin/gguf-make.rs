//! Writes model files for tests and benchmarks from the command line.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use core_tests::gguf::{
    Broken, ChatTemplate, EndOfText, MakeError, Pooling, Shape, VocabKind, Weight, write_adapter,
    write_broken, write_encoder, write_model, write_vocab,
};

/// Makes a GGUF file with seeded random weights, or a broken one.
#[derive(Parser)]
struct Args {
    /// tiny, wide or m164; encoder; vocab-only; or the name of a broken file (`gguf-make broken
    /// DIR` makes them all)
    preset: String,
    /// The file to write
    out: PathBuf,
    /// Seed of the weights
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Tokenizer
    #[arg(long, value_enum)]
    vocab: Option<VocabKind>,
    /// Storage of the matrices
    #[arg(long, value_enum)]
    weight: Option<Weight>,
    /// Tokens in the vocabulary
    #[arg(long)]
    n_vocab: Option<usize>,
    /// Context length in tokens
    #[arg(long)]
    n_ctx: Option<u32>,
    /// Rank of an adapter for the preset, which is written in the model's place
    #[arg(long)]
    adapter: Option<u32>,
    /// Number of files to split into
    #[arg(long)]
    split: Option<u16>,
    /// A chat template instead of the matching one; empty for none
    #[arg(long)]
    template: Option<String>,
    /// Let the model end its own text
    #[arg(long)]
    free_end: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed stderr leaves the exit code, which says the same.
            let _ = writeln!(io::stderr(), "gguf-make: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), MakeError> {
    if args.preset == "broken" {
        return Broken::value_variants().iter().try_for_each(|kind| corpus_file(*kind, args));
    }
    if let Ok(kind) = Broken::from_str(&args.preset, false) {
        return write_broken(kind, &args.out);
    }
    let shape = shape(args)?;
    if let Some(rank) = args.adapter {
        return write_adapter(&shape, rank, &args.out);
    }
    match args.preset.as_str() {
        "vocab-only" => write_vocab(&shape, &args.out),
        "encoder" => write_encoder(&shape, Pooling::Cls, &args.out),
        _ => write_model(&shape, &args.out).map(|_| ()),
    }
}

fn corpus_file(kind: Broken, args: &Args) -> Result<(), MakeError> {
    let value = kind.to_possible_value();
    let name = value.as_ref().map_or("unnamed", |value| value.get_name());
    write_broken(kind, &args.out.join(format!("{name}.gguf")))
}

fn shape(args: &Args) -> Result<Shape, MakeError> {
    let mut shape = match args.preset.as_str() {
        "tiny" | "vocab-only" | "encoder" => Shape::tiny(),
        "wide" => Shape::wide(),
        "m164" => Shape::m164(),
        other => return Err(MakeError::Shape(format!("no preset is called {other:?}"))),
    };
    shape.seed = args.seed;
    shape.vocab = args.vocab.unwrap_or(shape.vocab);
    shape.weight = args.weight.unwrap_or(shape.weight);
    shape.n_vocab = args.n_vocab.unwrap_or(shape.n_vocab);
    shape.n_ctx = args.n_ctx.unwrap_or(shape.n_ctx);
    shape.split = args.split;
    shape.chat_template = match &args.template {
        None => ChatTemplate::Matching,
        Some(text) if text.is_empty() => ChatTemplate::Absent,
        Some(text) => ChatTemplate::Text(text.clone()),
    };
    if args.free_end {
        shape.end_of_text = EndOfText::Free;
    }
    Ok(shape)
}
