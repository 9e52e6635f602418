//! What single steps of the bare engine cost at a depth: a step of the whole n_batch, and the
//! smallest one that does anything for two, a decode token of one sequence beside a prefill token
//! of another. Prints one JSON line with medians in milliseconds.
#![forbid(unsafe_code)]

use std::{error::Error, io::Write, io::stdout, num::NonZeroU32, time::Instant};

use clap::{Arg, Command, arg, value_parser};
use llama_cpp_2::context::{LlamaContext, params::LlamaContextParams};
use llama_cpp_2::llama_backend::{LlamaBackend, load_backends_from_path};
use llama_cpp_2::model::{LlamaModel, params::LlamaModelParams};
use llama_cpp_2::{llama_batch::LlamaBatch, token::LlamaToken};

/// Tokens of the worker's n_batch.
const SLICE: u16 = 512;
/// Steps of each kind; odd, so that the median is one of them.
const ROUNDS: usize = 5;
/// A token of every generated vocabulary that is no control token.
const TOKEN: LlamaToken = LlamaToken(300);
type Fallible<T> = Result<T, Box<dyn Error>>;

/// Where the two sequences stand.
struct Bench<'a> {
    ctx: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    /// Tokens of the long sequence, 0, and of the chat, 1.
    at: [i32; 2],
}

fn main() -> Fallible<()> {
    let number = |arg: Arg| arg.value_parser(value_parser!(u16));
    let args = Command::new("bare-steps")
        .arg(arg!(<model> "a GGUF file"))
        .arg(number(arg!(<depth> "tokens in the cache")))
        .arg(number(arg!(<ctx> "cells")))
        .arg(number(arg!(<threads>)))
        .get_matches();
    let number = |name: &str| args.get_one::<u16>(name).copied().unwrap_or(1);
    let path = args.get_one::<String>("model").map_or("", String::as_str);
    load_backends_from_path(&std::env::current_exe()?.with_file_name("engine"));
    let mut backend = LlamaBackend::init()?;
    backend.void_logs();
    let model = LlamaModel::load_from_file(&backend, path, &LlamaModelParams::default())?;
    let threads = number("threads").into();
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(number("ctx").into()))
        .with_n_ubatch(SLICE.into())
        .with_n_seq_max(2)
        .with_kv_unified(true)
        .with_n_threads(threads)
        .with_n_threads_batch(threads);
    let ctx = model.new_context(&backend, params)?;
    let batch = LlamaBatch::new(SLICE.into(), 1);
    let mut bench = Bench { ctx, batch, at: [0, 0] };
    measure(&mut bench, number("depth"))
}

fn measure(bench: &mut Bench<'_>, depth: u16) -> Fallible<()> {
    bench.step(0, 16)?;
    let shallow = median(|| bench.step(0, 1))?;
    let mut left = depth;
    while left > 0 {
        let slice = left.min(SLICE);
        bench.step(slice, 0)?;
        left -= slice;
    }
    let idle = median(|| bench.step(0, 1))?;
    let mixed = median(|| bench.step(1, 1))?;
    let slice = median(|| {
        let ms = bench.step(SLICE - 1, 1)?;
        // Back to the depth: every slice is to cost the same.
        bench.at[0] -= i32::from(SLICE - 1);
        let from = u32::try_from(bench.at[0])?;
        bench.ctx.clear_kv_cache_seq(Some(0), Some(from), None)?;
        Ok(ms)
    })?;
    let steps = format!(r#""decode_at_0_ms":{shallow},"decode_ms":{idle},"mixed_ms":{mixed}"#);
    Ok(writeln!(stdout(), r#"{{"depth":{depth},{steps},"slice_ms":{slice}}}"#)?)
}

impl Bench<'_> {
    /// One step with so many tokens of the long sequence and of the chat; its milliseconds.
    fn step(&mut self, long: u16, chat: u16) -> Fallible<f64> {
        self.batch.clear();
        for (seq, count) in [(0, long), (1, chat)] {
            for n in 0..count {
                let pos = &mut self.at[usize::from(seq == 1)];
                self.batch.add(TOKEN, *pos, &[seq], n + 1 == count)?;
                *pos += 1;
            }
        }
        let start = Instant::now();
        self.ctx.decode(&mut self.batch)?;
        // A step is over when its logits can be read.
        let _logits = self.ctx.get_logits_ith(i32::from(long + chat) - 1);
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }
}

fn median(mut step: impl FnMut() -> Fallible<f64>) -> Fallible<f64> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(step()?);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[ROUNDS / 2])
}
