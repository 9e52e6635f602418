//! Shapes with a name.

use super::{ChatTemplate, EndOfText, Shape, VocabKind, Weight};

impl Shape {
    /// A quarter of a megabyte and microseconds per token: for everything that tests behaviour.
    pub fn tiny() -> Self {
        Self {
            name: "tiny".to_owned(),
            n_vocab: 512,
            n_embd: 64,
            n_layer: 2,
            n_head: 2,
            n_head_kv: 1,
            head_dim: 32,
            n_ff: 192,
            n_ctx: 4096,
            weight: Weight::Q8_0,
            vocab: VocabKind::Gpt2Bpe,
            seed: 1,
            chat_template: ChatTemplate::Matching,
            end_of_text: EndOfText::Muted,
            split: None,
        }
    }

    /// Two layers, two heads of 64, FFN 8192, 32k context: attention is cheap beside the feed-
    /// forward network, so that the cost of a mixed step hardly grows with depth. The mission's
    /// bound on stalls is stated on this shape.
    pub fn wide() -> Self {
        Self {
            name: "wide".to_owned(),
            n_vocab: 4096,
            n_embd: 128,
            n_head_kv: 2,
            head_dim: 64,
            n_ff: 8192,
            n_ctx: 32_768,
            ..Self::tiny()
        }
    }

    /// 164 million parameters, 174 MB as Q8_0: GPT-2 small's width and depth with a gated FFN.
    /// Heavy enough that decoding is bound by memory bandwidth, as real models are.
    pub fn m164() -> Self {
        Self {
            name: "m164".to_owned(),
            n_vocab: 32_768,
            n_embd: 768,
            n_layer: 12,
            n_head: 12,
            n_head_kv: 12,
            head_dim: 64,
            n_ff: 3072,
            n_ctx: 32_768,
            ..Self::tiny()
        }
    }

    /// The same model with other weights.
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same model with another tokenizer.
    pub fn with_vocab(self, vocab: VocabKind) -> Self {
        Self { vocab, ..self }
    }
}
