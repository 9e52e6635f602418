//! Byte-level BPE: 256 byte tokens, then one token per merge, then control tokens.

use std::collections::HashSet;

use super::super::MakeError;
use super::super::write::Value;
use super::{CONTROL, NORMAL, Vocab, id, named, require, words};

/// A byte-level vocabulary spells all 256 byte values.
const BYTES: usize = 256;
const GPT2_CONTROL: [&str; 4] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"];
const LLAMA3_CONTROL: [&str; 10] = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
];

/// GPT-2's tokenizer with ChatML markers; the end of a turn is the end of generation.
pub(super) fn gpt2(n_vocab: usize) -> Result<Vocab, MakeError> {
    let (tokens, merges, first) = learn(n_vocab, &GPT2_CONTROL)?;
    let special = named([
        ("bos_token_id", id(first)),
        ("eos_token_id", id(first + 2)),
        ("padding_token_id", id(first + 3)),
        ("add_bos_token", Value::Bool(false)),
    ]);
    Ok(finish("gpt-2", tokens, merges, first, special))
}

/// Llama 3's tokenizer; llama.cpp finds `<|eot_id|>` by its text and ends there as well.
pub(super) fn llama3(n_vocab: usize) -> Result<Vocab, MakeError> {
    let (tokens, merges, first) = learn(n_vocab, &LLAMA3_CONTROL)?;
    let special = named([
        ("bos_token_id", id(first)),
        ("eos_token_id", id(first + 8)),
        ("padding_token_id", id(first + 4)),
        ("add_bos_token", Value::Bool(true)),
    ]);
    Ok(finish("llama-bpe", tokens, merges, first, special))
}

fn finish(
    pre: &str,
    tokens: Vec<String>,
    merges: Vec<String>,
    first_control: usize,
    special: Vec<(String, Value)>,
) -> Vocab {
    let n_tokens = tokens.len();
    let mut types = vec![NORMAL; first_control];
    types.resize(n_tokens, CONTROL);
    let mut pairs = named([
        ("model", Value::Str("gpt2".to_owned())),
        ("pre", Value::Str(pre.to_owned())),
        ("tokens", Value::Strs(tokens)),
        ("token_type", Value::I32s(types)),
        ("merges", Value::Strs(merges)),
    ]);
    pairs.extend(special);
    Vocab { pairs, control: first_control as u64..n_tokens as u64 }
}

/// Tokens, merges, and the id of the first control token.
type Learnt = (Vec<String>, Vec<String>, usize);

/// Learns merges from words with and without a leading space until `n_vocab` is full.
fn learn(n_vocab: usize, control: &[&str]) -> Result<Learnt, MakeError> {
    require(n_vocab, BYTES + control.len())?;
    let first_control = n_vocab - control.len();
    let mut tokens: Vec<String> = byte_letters().iter().map(char::to_string).collect();
    let mut seen: HashSet<String> = tokens.iter().cloned().collect();
    let mut merges = Vec::with_capacity(n_vocab - BYTES);
    let spelled = words::all().flat_map(|word| [format!("\u{120}{word}"), word]);
    for (left, right) in spelled.flat_map(prefix_merges) {
        if tokens.len() == first_control {
            break;
        }
        let joined = format!("{left}{right}");
        if seen.insert(joined.clone()) {
            merges.push(format!("{left} {right}"));
            tokens.push(joined);
        }
    }
    require_enough_words(tokens.len(), first_control)?;
    tokens.extend(control.iter().map(|s| (*s).to_owned()));
    Ok((tokens, merges, first_control))
}

fn require_enough_words(have: usize, want: usize) -> Result<(), MakeError> {
    if have < want {
        let text = format!("n_vocab asks for {want} tokens, the word list gives {have}");
        return Err(MakeError::Shape(text));
    }
    Ok(())
}

/// "the" becomes t+h, th+e: each left side is a token by the time it is needed.
fn prefix_merges(word: String) -> Vec<(String, char)> {
    let letters = word.char_indices().skip(1);
    letters.map(|(at, letter)| (word[..at].to_owned(), letter)).collect()
}

/// GPT-2's spelling of bytes: printable Latin-1 stands for itself, in order of value, and the
/// other 68 bytes are the letters from U+0100 on. A space becomes U+0120.
fn byte_letters() -> Vec<char> {
    let printable = (0x21..=0x7e).chain(0xa1..=0xac).chain(0xae..=0xff);
    let moved = 0x100..0x100 + 68;
    printable.chain(moved).filter_map(char::from_u32).collect()
}
