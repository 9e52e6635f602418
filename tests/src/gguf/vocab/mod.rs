//! Vocabularies: tokens, types, merges or scores, and the pairs that describe them.
//!
//! They tokenize ordinary English into a few tokens per word and anything else into bytes, so
//! prompts in tests have realistic lengths and no text is unrepresentable.

mod bpe;
mod spm;
mod template;
mod words;

use std::ops::Range;

use super::write::Value;
use super::{ChatTemplate, MakeError, Shape, VocabKind};

/// An ordinary token.
const NORMAL: i32 = 1;
/// The token for what cannot be represented.
const UNKNOWN: i32 = 2;
/// A token that text cannot spell, only a template or the runtime.
const CONTROL: i32 = 3;
/// A single byte, SentencePiece only.
const BYTE: i32 = 6;

/// A finished vocabulary.
pub(super) struct Vocab {
    /// Pairs under `tokenizer.`, in the order in which they are written.
    pub(super) pairs: Vec<(String, Value)>,
    /// Ids of control tokens; contiguous in each kind.
    pub(super) control: Range<u64>,
}

/// Builds the vocabulary that `shape` asks for.
///
/// # Errors
/// [`MakeError::Shape`] when `n_vocab` is below what the kind needs for bytes and control tokens.
pub(super) fn build(shape: &Shape) -> Result<Vocab, MakeError> {
    let mut vocab = match shape.vocab {
        VocabKind::Gpt2Bpe => bpe::gpt2(shape.n_vocab),
        VocabKind::Llama3Bpe => bpe::llama3(shape.n_vocab),
        VocabKind::Spm => spm::build(shape.n_vocab),
    }?;
    let text = match &shape.chat_template {
        ChatTemplate::Matching => Some(template::matching(shape.vocab).to_owned()),
        ChatTemplate::Text(text) => Some(text.clone()),
        ChatTemplate::Absent => None,
    };
    vocab.pairs.extend(text.map(|text| ("tokenizer.chat_template".to_owned(), Value::Str(text))));
    Ok(vocab)
}

fn require(n_vocab: usize, min: usize) -> Result<(), MakeError> {
    if n_vocab < min {
        let text = format!("n_vocab is {n_vocab}, this kind of vocabulary needs {min}");
        return Err(MakeError::Shape(text));
    }
    Ok(())
}

fn named<const N: usize>(pairs: [(&str, Value); N]) -> Vec<(String, Value)> {
    pairs.map(|(name, value)| (format!("tokenizer.ggml.{name}"), value)).into()
}

fn id(n: usize) -> Value {
    Value::U32(u32::try_from(n).unwrap_or(u32::MAX))
}
