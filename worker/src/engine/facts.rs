//! What a model file says of itself, as the broker is told.

use core_wire::{limits::WORKER_TEXT_BYTES_MAX, worker::ModelFacts};
use llama_cpp_2::{model::LlamaModel, token::LlamaToken};

use super::load::Plan;

/// Architectures that encode text and continue none.
const ENCODERS: [&str; 9] = [
    "bert",
    "modern-bert",
    "nomic-bert",
    "nomic-bert-moe",
    "neo-bert",
    "jina-bert-v2",
    "jina-bert-v3",
    "eurobert",
    "gemma-embedding",
];

/// Bytes of an architecture's name that are told; llama.cpp's longest has 20.
const ARCHITECTURE_BYTES_MAX: usize = 64;

const _: () = assert!(ARCHITECTURE_BYTES_MAX <= WORKER_TEXT_BYTES_MAX);

/// FNV-1a of 64 bits: where it starts.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a of 64 bits: what it multiplies by.
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Whether the file holds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// What the file said; `plan` is absent for a vocabulary alone.
pub(crate) fn facts(model: &LlamaModel, plan: Option<&Plan>, chat_template: Known) -> ModelFacts {
    ModelFacts {
        architecture: architecture(model),
        n_ctx: plan.map_or(0, |plan| plan.n_ctx),
        n_ctx_train: model.n_ctx_train(),
        n_vocab: u32::try_from(model.n_vocab()).unwrap_or(0),
        n_embd: u32::try_from(model.n_embd_out()).unwrap_or(0),
        n_params: model.n_params(),
        slots: plan.map_or(0, |plan| plan.slots),
        chat_template: chat_template == Known::Yes,
        n_layer: model.n_layer(),
        vocabulary: vocabulary(model),
    }
}

/// The architecture that the file names, as far as it is plain text.
pub(crate) fn architecture(model: &LlamaModel) -> String {
    let text = model.meta_val_str("general.architecture");
    let text = text.unwrap_or_else(|_| "unknown".into());
    let plain = |c: &char| c.is_ascii_graphic();
    text.chars().filter(plain).take(ARCHITECTURE_BYTES_MAX).collect()
}

/// Whether the model encodes text and continues none.
pub(crate) fn is_encoder(model: &LlamaModel) -> bool {
    ENCODERS.contains(&architecture(model).as_str())
}

/// A digest of how all tokens show. It tells files apart that cannot continue each other's texts;
/// against a file that wants to pass for another it proves nothing.
fn vocabulary(model: &LlamaModel) -> u64 {
    let vocabulary = model.vocab();
    let mut piece = Vec::new();
    let mut digest = FNV_START;
    for token in (0..vocabulary.n_tokens()).map(LlamaToken::new) {
        piece.clear();
        vocabulary.token_to_piece_into(token, &mut piece, true, None);
        digest = fnv(digest, &u64::try_from(piece.len()).unwrap_or(u64::MAX).to_le_bytes());
        digest = fnv(digest, &piece);
    }
    digest
}

fn fnv(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |digest, &b| (digest ^ u64::from(b)).wrapping_mul(FNV_PRIME))
}
