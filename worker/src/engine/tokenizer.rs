//! Text to tokens and back, by the model's own vocabulary.

use core_wire::{
    client::{Prompt, request::Special},
    code::{Code, Refusal},
};
use llama_cpp_2::{model::LlamaModel, token::LlamaToken, vocab::LlamaVocab};

use crate::engine::{
    answers,
    template::{Template, TemplateError},
};

/// The vocabulary and the chat template of one model.
pub(crate) struct Tokenizer<'m> {
    vocabulary: LlamaVocab<'m>,
    n_vocab: u32,
    bos: String,
    template: Result<Template, TemplateError>,
}

impl<'m> Tokenizer<'m> {
    /// Takes what the model file holds; a template that does not compile is told to who chats.
    pub(crate) fn new(model: &'m LlamaModel) -> Self {
        let vocabulary = model.vocab();
        let n_vocab = u32::try_from(vocabulary.n_tokens()).unwrap_or(0);
        let marker = |token| marker_text(&vocabulary, n_vocab, token);
        let bos = marker(vocabulary.bos());
        let eos = marker(vocabulary.eos());
        let template = match model.chat_template(None) {
            Ok(source) => source
                .to_str()
                .map_or(Err(TemplateError::Syntax), |source| Template::compile(source, &bos, &eos)),
            Err(_) => Err(TemplateError::Missing),
        };
        Self { vocabulary, n_vocab, bos, template }
    }

    /// Ids in the vocabulary.
    pub(crate) fn n_vocab(&self) -> u32 {
        self.n_vocab
    }

    /// Whether the model file holds a chat template, sound or not.
    pub(crate) fn has_template(&self) -> bool {
        !matches!(self.template, Err(TemplateError::Missing))
    }

    /// The tokens of a prompt.
    ///
    /// # Errors
    /// `BAD_TOKEN` for an id outside the vocabulary, `BAD_PARAMETER` for a chat that the model's
    /// template does not render.
    pub(crate) fn tokens(
        &self,
        prompt: &Prompt,
        special: Special,
    ) -> Result<Vec<LlamaToken>, Refusal> {
        match prompt {
            Prompt::Tokens(ids) => self.checked(ids),
            Prompt::Text(text) => Ok(match special {
                Special::Prompt => self.vocabulary.tokenize(text.as_bytes(), true, true),
                Special::Plain => self.vocabulary.tokenize(text.as_bytes(), false, false),
            }),
            Prompt::Chat(messages) => {
                let template = self.template.as_ref();
                let text = template.map_err(|e| *e).and_then(|t| t.render(messages));
                let text = text.map_err(|e| Refusal::new(Code::BadParameter, e.to_string()))?;
                // A template that writes the beginning itself must not get it twice.
                let begun = !self.bos.is_empty() && text.starts_with(&self.bos);
                Ok(self.vocabulary.tokenize(text.as_bytes(), !begun, true))
            }
        }
    }

    /// The tokens of a prompt to be continued.
    ///
    /// # Errors
    /// As [`Self::tokens`].
    pub(crate) fn prompt(&self, prompt: &Prompt) -> Result<Vec<LlamaToken>, Refusal> {
        self.tokens(prompt, Special::Prompt)
    }

    /// The text of tokens, markers included; bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// As [`Self::tokens`]; only tokens have a text here.
    pub(crate) fn text(&self, prompt: &Prompt) -> Result<String, Refusal> {
        let Prompt::Tokens(ids) = prompt else {
            return Err(Refusal::new(Code::BadParameter, "only token ids can be detokenized"));
        };
        let tokens = self.checked(ids)?;
        let tokens = self.without_ends(&tokens);
        if tokens.is_empty() {
            // The wrapper computes a size from the count that is negative for none.
            return Ok(String::new());
        }
        self.check_text(tokens)?;
        let bytes = self.vocabulary.detokenize(tokens, false, true);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Leaves out what tokenizing a prompt adds, so that both are each other's inverse; markers
    /// that stand in the text itself are shown. The library's own way to do so keeps the space that
    /// some vocabularies put in front.
    fn without_ends<'t>(&self, mut tokens: &'t [LlamaToken]) -> &'t [LlamaToken] {
        if self.vocabulary.should_add_bos() {
            tokens = tokens.strip_prefix(&[self.vocabulary.bos()]).unwrap_or(tokens);
        }
        if self.vocabulary.should_add_eos() {
            tokens = tokens.strip_suffix(&[self.vocabulary.eos()]).unwrap_or(tokens);
        }
        tokens
    }

    /// Checks the length of a text before it is made: a few bytes of ids may name pieces of any
    /// size.
    fn check_text(&self, tokens: &[LlamaToken]) -> Result<(), Refusal> {
        let mut piece = Vec::new();
        let mut bytes = 0;
        for &token in tokens {
            piece.clear();
            self.vocabulary.token_to_piece_into(token, &mut piece, true, None);
            bytes += piece.len();
            answers::check_length(bytes)?;
        }
        Ok(())
    }

    /// Appends the bytes with which a token shows in an answer; markers have none.
    pub(crate) fn piece(&self, token: LlamaToken, out: &mut Vec<u8>) {
        self.vocabulary.token_to_piece_into(token, out, false, None);
    }

    /// Whether the token ends an answer.
    pub(crate) fn ends(&self, token: LlamaToken) -> bool {
        self.vocabulary.is_eog(token)
    }

    fn checked(&self, ids: &[u32]) -> Result<Vec<LlamaToken>, Refusal> {
        ids.iter().map(|&id| self.token(id)).collect()
    }

    fn token(&self, id: u32) -> Result<LlamaToken, Refusal> {
        match i32::try_from(id) {
            Ok(token) if id < self.n_vocab => Ok(LlamaToken::new(token)),
            _ => {
                let n_vocab = self.n_vocab;
                let message = format!("token {id} is not in the vocabulary of {n_vocab} ids");
                Err(Refusal::new(Code::BadToken, message))
            }
        }
    }
}

/// The text of a marker, empty where the vocabulary has none: the library aborts on a foreign id.
fn marker_text(vocabulary: &LlamaVocab<'_>, n_vocab: u32, token: LlamaToken) -> String {
    if u32::try_from(token.0).is_ok_and(|id| id < n_vocab) {
        let bytes = vocabulary.token_to_piece(token, true, None);
        String::from_utf8_lossy(&bytes).into_owned()
    } else {
        String::new()
    }
}
