//! The bare engine: llama.cpp in one process, decode and argmax, nothing else. It has the worker's
//! libraries, threads and batch plan (n_batch 2048, flash attention auto: the library's defaults).
#![forbid(unsafe_code)]

use std::{error::Error, io::Write, io::stdout, num::NonZeroU32, time::Instant};

use clap::{Arg, ArgMatches, Command, arg, value_parser};
use llama_cpp_2::context::{LlamaContext, params::LlamaContextParams};
use llama_cpp_2::llama_backend::{LlamaBackend, load_backends_from_path};
use llama_cpp_2::model::{LlamaModel, params::LlamaModelParams};
use llama_cpp_2::{llama_batch::LlamaBatch, token::LlamaToken};

/// Tokens in one prefill slice and in one micro-batch, as in the worker.
const SLICE: usize = 512;
type Fallible<T> = Result<T, Box<dyn Error>>;

/// Generates greedily and prints one JSON line; --tokenize prints the prompt's tokens instead,
/// with the tokenizer's own special tokens (add), those spelled in the text (parse), both or none.
fn args() -> ArgMatches {
    let number = |arg: Arg, n| arg.default_value(n).value_parser(value_parser!(u16));
    let options = [
        arg!(<model> "a GGUF file"),
        arg!(--prompt <TEXT>).default_value("Hello"),
        arg!(--tokens <IDS> "comma-separated, instead of a prompt"),
        number(arg!(n: -n <N> "tokens per stream"), "32"),
        number(arg!(--streams <N>), "1"),
        number(arg!(--slots <N>), "16"),
        number(arg!(--threads <N>), "2"),
        number(arg!(--ctx <N> "cells"), "4096"),
        arg!(--"stop-at-eog" "end once all streams did"),
        arg!(--tokenize[MODE]).default_missing_value("add"),
    ];
    Command::new("bare").args(options).get_matches()
}

fn number(args: &ArgMatches, name: &str) -> u16 {
    args.get_one(name).copied().unwrap_or(1)
}

fn main() -> Fallible<()> {
    let args = args();
    let string = |name: &str| args.get_one::<String>(name).map(String::as_str);
    load_backends_from_path(&std::env::current_exe()?.with_file_name("engine"));
    let mut backend = LlamaBackend::init()?;
    backend.void_logs();
    let (mode, text) = (string("tokenize"), string("prompt").unwrap_or(""));
    let params = LlamaModelParams::default().with_vocab_only(mode.is_some());
    let m = LlamaModel::load_from_file(&backend, string("model").unwrap_or(""), &params)?;
    let add = !matches!(mode, Some("parse" | "none"));
    let parse = matches!(mode, Some("parse" | "both"));
    let ids = m.vocab().tokenize(text.as_bytes(), add, parse);
    let mut prompt: Vec<i32> = ids.iter().map(|token| token.0).collect();
    if let Some(ids) = string("tokens") {
        prompt = ids.split(',').map(str::parse).collect::<Result<_, _>>()?;
    }
    if mode.is_some() {
        return Ok(writeln!(stdout(), "{prompt:?}")?);
    }
    let (threads, ctx) = (number(&args, "threads").into(), number(&args, "ctx").into());
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(ctx))
        .with_n_ubatch(512)
        .with_n_seq_max(number(&args, "slots").into())
        .with_kv_unified(true)
        .with_n_threads(threads)
        .with_n_threads_batch(threads);
    let mut ctx = m.new_context(&backend, params)?;
    for n in [SLICE.min(ctx.n_ctx() as usize), 1] {
        prefill(&mut ctx, &vec![0; n], 0)?;
        ctx.clear_kv_cache();
    }
    run(&args, &m, &mut ctx, &prompt)
}

fn run(args: &ArgMatches, m: &LlamaModel, ctx: &mut LlamaContext, prompt: &[i32]) -> Fallible<()> {
    let start = Instant::now();
    let mut out = vec![Vec::new(); number(args, "streams").into()];
    for (ids, seq) in out.iter_mut().zip(0..) {
        ids.push(prefill(ctx, prompt, seq)?);
    }
    let prefill_ms = start.elapsed().as_secs_f64() * 1e3;
    let (mut batch, start) = (LlamaBatch::new(out.len(), 1), Instant::now());
    for pos in (i32::try_from(prompt.len())?..).take(usize::from(number(args, "n")).max(1) - 1) {
        batch.clear();
        for (ids, seq) in out.iter().zip(0..) {
            batch.add(LlamaToken(ids[ids.len() - 1]), pos, &[seq], true)?;
        }
        ctx.decode(&mut batch)?;
        for (ids, row) in out.iter_mut().zip(0..) {
            ids.push(argmax(ctx, row));
        }
        let ends = |ids: &Vec<i32>| m.vocab().is_eog(LlamaToken(ids[ids.len() - 1]));
        if args.get_flag("stop-at-eog") && out.iter().all(ends) {
            break;
        }
    }
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let rate = ((out[0].len() - 1) * out.len()) as f64 * 1e3 / ms;
    let times = format!(r#""prefill_ms":{prefill_ms},"decode_ms":{ms},"tokens_per_s":{rate}"#);
    Ok(writeln!(stdout(), "{{\"tokens\":{out:?},{times}}}")?)
}

fn prefill(ctx: &mut LlamaContext, prompt: &[i32], seq: i32) -> Fallible<i32> {
    let mut batch = LlamaBatch::new(SLICE, 1);
    for (slice, from) in prompt.chunks(SLICE).zip((0..).step_by(SLICE)) {
        batch.clear();
        for (id, pos) in slice.iter().zip(from..) {
            let last = pos as usize + 1 == prompt.len();
            batch.add(LlamaToken(*id), pos, &[seq], last)?;
        }
        ctx.decode(&mut batch)?;
    }
    Ok(argmax(ctx, -1))
}

fn argmax(ctx: &LlamaContext, row: i32) -> i32 {
    let ids = (0..).zip(ctx.get_logits_ith(row));
    ids.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |id| id.0)
}
