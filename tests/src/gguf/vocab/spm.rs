//! SentencePiece as Llama 2 has it: three control tokens, 256 bytes, pieces with scores.

use std::collections::HashSet;

use super::super::MakeError;
use super::super::write::Value;
use super::{BYTE, CONTROL, NORMAL, UNKNOWN, Vocab, id, named, require, words};

/// `<unk>`, `<s>`, `</s>`, as in every SentencePiece model of this family.
const N_CONTROL: usize = 3;
const BYTES: usize = 256;
/// Printable ASCII with the space replaced by U+2581, SentencePiece's visible space.
const LETTERS: usize = 95;

/// Pieces learnt from words, best first: a piece's score is minus its rank, letters come last.
pub(super) fn build(n_vocab: usize) -> Result<Vocab, MakeError> {
    require(n_vocab, N_CONTROL + BYTES + LETTERS)?;
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).into();
    tokens.extend((0..BYTES).map(|b| format!("<0x{b:02X}>")));
    let n_pieces = n_vocab - N_CONTROL - BYTES - LETTERS;
    tokens.extend(pieces(n_pieces)?);
    tokens.push("\u{2581}".to_owned());
    tokens.extend(('!'..='~').map(String::from));

    let first_piece = N_CONTROL + BYTES;
    let ranks = (0..n_vocab - first_piece).map(|rank| -(rank as f32));
    let scores = std::iter::repeat_n(0.0, first_piece).chain(ranks).collect();
    let mut types = vec![UNKNOWN, CONTROL, CONTROL];
    types.extend([BYTE; BYTES]);
    types.resize(n_vocab, NORMAL);
    let pairs = named([
        ("model", Value::Str("llama".to_owned())),
        ("pre", Value::Str("default".to_owned())),
        ("tokens", Value::Strs(tokens)),
        ("scores", Value::F32s(scores)),
        ("token_type", Value::I32s(types)),
        ("bos_token_id", id(1)),
        ("eos_token_id", id(2)),
        ("unknown_token_id", id(0)),
        ("add_bos_token", Value::Bool(true)),
        ("add_eos_token", Value::Bool(false)),
        ("add_space_prefix", Value::Bool(true)),
    ]);
    Ok(Vocab { pairs, control: 0..N_CONTROL as u64 })
}

/// Every prefix of every word, two letters and more, until there are `n`.
fn pieces(n: usize) -> Result<Vec<String>, MakeError> {
    let mut seen = HashSet::new();
    let spelled = words::all().flat_map(|word| [format!("\u{2581}{word}"), word]);
    let prefixes = spelled.flat_map(|word| {
        let ends: Vec<usize> = word.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
        ends.into_iter().skip(1).map(move |end| word[..end].to_owned()).collect::<Vec<_>>()
    });
    let found: Vec<String> = prefixes.filter(|p| seen.insert(p.clone())).take(n).collect();
    match found.len() == n {
        true => Ok(found),
        false => Err(MakeError::Shape(format!("the word list gives {} pieces", found.len()))),
    }
}
