//! A model's vocabulary as the tree of bytes that masks are computed on.

use std::sync::Arc;

use llama_cpp_2::{model::LlamaModel, token::LlamaToken};
use llguidance::toktrie::{ApproximateTokEnv, INVALID_TOKEN, TokEnv, TokRxInfo, TokTrie};

/// Bytes of a piece that can be part of an answer under a grammar: a node of the tree counts its
/// parents in ten bits. Vocabularies have runs of 1,024 spaces at most, which are then not used.
const PIECE_BYTES_MAX: usize = 1000;

/// Bytes of all pieces: a node of the tree counts what is below it in 22 bits. Published
/// vocabularies stay below half of it.
const PIECES_BYTES_MAX: usize = (1 << 22) - 1;

/// The vocabulary of `model`; none where it has more text than the tree can hold.
///
/// A token's bytes are those with which it shows in an answer. Those that show as nothing stand
/// under their marker, which no text of a grammar can match; ends of generation are its ends.
pub(super) fn trie(model: &LlamaModel) -> Option<TokEnv> {
    let vocabulary = model.vocab();
    let count = u32::try_from(vocabulary.n_tokens()).ok()?;
    let mut pieces = Vec::with_capacity(count as usize);
    let mut ends = Vec::new();
    for (id, token) in (0..count).zip((0..).map(LlamaToken::new)) {
        let ends_it = vocabulary.is_eog(token);
        let mut piece = Vec::new();
        if !ends_it && !vocabulary.is_control(token) {
            vocabulary.token_to_piece_into(token, &mut piece, false, None);
        }
        if ends_it {
            ends.push(id);
        }
        // The byte of the marker is in no valid text.
        let is_text = !piece.contains(&TokTrie::SPECIAL_TOKEN_MARKER);
        piece.truncate(if is_text && piece.len() <= PIECE_BYTES_MAX { piece.len() } else { 0 });
        if piece.is_empty() {
            piece = marked(model, token);
        }
        pieces.push(piece);
    }
    let bytes: usize = pieces.iter().map(Vec::len).sum();
    if bytes > PIECES_BYTES_MAX {
        return None;
    }
    let trie = TokTrie::from(&TokRxInfo::new(count, INVALID_TOKEN), &pieces);
    let trie = if ends.is_empty() { trie } else { trie.with_eos_tokens(&ends) };
    Some(Arc::new(ApproximateTokEnv::new(trie)))
}

/// The name of a token that shows as nothing, behind the marker.
fn marked(model: &LlamaModel, token: LlamaToken) -> Vec<u8> {
    let mut name = vec![TokTrie::SPECIAL_TOKEN_MARKER];
    model.vocab().token_to_piece_into(token, &mut name, true, None);
    let named = (2..=PIECE_BYTES_MAX).contains(&name.len());
    name.truncate(if named { name.len() } else { 0 });
    name
}
