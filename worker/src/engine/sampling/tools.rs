//! What samplers are made from.

use core_wire::code::{Code, Refusal};
use llama_cpp_2::{model::LlamaModel, token::LlamaToken};

use crate::engine::grammar::Grammars;

/// One model's vocabulary, and its grammars.
pub(crate) struct Tools<'m> {
    /// The model, of which only the vocabulary is used.
    pub(crate) model: &'m LlamaModel,
    /// What compiles grammars for that vocabulary.
    pub(crate) grammars: Grammars<'m>,
}

impl<'m> Tools<'m> {
    /// Costs nothing: what grammars need is made with the first of them.
    pub(crate) fn new(model: &'m LlamaModel) -> Self {
        Self { model, grammars: Grammars::new(model) }
    }

    /// The biases as tokens of the vocabulary.
    ///
    /// # Errors
    /// `BAD_TOKEN` for an id outside of it.
    pub(super) fn biases(&self, biases: &[(u32, f32)]) -> Result<Vec<(LlamaToken, f32)>, Refusal> {
        let n_vocab = self.model.n_vocab();
        let known = |&(id, bias): &(u32, f32)| match i32::try_from(id) {
            Ok(token) if token < n_vocab => Ok((LlamaToken::new(token), bias)),
            _ => {
                let message =
                    format!("token {id} of logit_bias is not in the vocabulary of {n_vocab} ids");
                Err(Refusal::new(Code::BadToken, message))
            }
        };
        biases.iter().map(known).collect()
    }
}
