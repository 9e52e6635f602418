//! What becomes of a request, by its kind.

use core_wire::{
    client::{Priority, Prompt},
    code::{Code, Refusal},
    ids::{DomainId, JobId},
    worker::{JobKind, Sampling},
};
use llama_cpp_2::token::LlamaToken;

use super::{Desk, What};
use crate::engine::{
    embed::Text,
    inbox::Request,
    sampling::Sampler,
    sequence::{Aim, Prepared},
};

/// Which request it is, and whose.
struct Head {
    job: JobId,
    class: Priority,
    reuse: Option<JobId>,
    domain: Option<DomainId>,
}

impl Desk<'_> {
    /// Answers a request, begins with its answer, or makes of it what the step loop continues.
    pub(super) fn serve(
        &mut self,
        request: Request,
        length_max: u32,
    ) -> Result<Option<Prepared>, Refusal> {
        let Request { job, kind, class, reuse, domain, prompt, emitted, state, .. } = request;
        match kind {
            JobKind::Tokenize(special) => {
                let tokens = self.tokenizer.tokens(&prompt, special)?;
                self.answers.tokens(job, &tokens)?;
            }
            JobKind::Detokenize => {
                let text = self.tokenizer.text(&prompt)?;
                self.answers.bytes(job, text.into_bytes())?;
            }
            JobKind::Compile(grammar) => {
                self.tools.grammars.check(&grammar)?;
                self.answers.bytes(job, Vec::new())?;
            }
            JobKind::Embed => {
                let tokens = self.tokenizer.prompt(&prompt)?;
                check_text(&tokens, length_max)?;
                self.texts.push_back(Text { job, tokens });
            }
            JobKind::Save => self.take_context(job, domain, What::Save)?,
            JobKind::Restore => self.take_context(job, domain, What::Restore(state))?,
            JobKind::Publish => {
                let head = Head { job, class, reuse, domain };
                return self.publishes(head, &prompt, length_max).map(Some);
            }
            JobKind::Generate(sampling) => {
                let head = Head { job, class, reuse, domain };
                return self.generates(head, *sampling, (&prompt, emitted), length_max).map(Some);
            }
        }
        Ok(None)
    }

    /// What continues a prompt behind what was emitted.
    fn generates(
        &self,
        head: Head,
        sampling: Sampling,
        (prompt, emitted): (&Prompt, Vec<u32>),
        length_max: u32,
    ) -> Result<Prepared, Refusal> {
        let mut tokens = self.tokenizer.prompt(prompt)?;
        let prompt = tokens.len();
        tokens.extend(self.tokenizer.prompt(&Prompt::Tokens(emitted))?);
        check_length(&tokens, length_max)?;
        let sampling = known(sampling);
        let sampler = Sampler::new(&sampling, &self.tools, &tokens, tokens.len() - prompt)?;
        let Head { job, class, reuse, domain } = head;
        // What everybody may read is published, and not what somebody said.
        let domain = domain.filter(|domain| *domain != DomainId::PUBLIC);
        let (aim, tokens) = (Aim::Answer, tokens.into());
        Ok(Prepared { job, class, reuse, domain, aim, tokens, prompt, sampling, sampler })
    }

    /// What computes a prefix for everybody.
    fn publishes(
        &self,
        Head { job, class, domain, .. }: Head,
        prompt: &Prompt,
        length_max: u32,
    ) -> Result<Prepared, Refusal> {
        let tokens = self.tokenizer.prompt(prompt)?;
        check_length(&tokens, length_max)?;
        self.keeps.check_publish(tokens.len())?;
        Ok(Prepared {
            job,
            class,
            reuse: None,
            // None once everybody's was withdrawn, which ends it.
            domain,
            aim: Aim::Publish,
            prompt: tokens.len(),
            tokens: tokens.into(),
            sampling: Sampling { max_tokens: 0, ..Sampling::default() },
            sampler: Sampler::default(),
        })
    }
}

/// Checks that a prompt leaves room for one token.
fn check_length(prompt: &[LlamaToken], length_max: u32) -> Result<(), Refusal> {
    let length = prompt.len();
    if length == 0 {
        let message = "the prompt has no tokens";
        return Err(Refusal::new(Code::BadParameter, message));
    }
    if length >= length_max as usize {
        let message =
            format!("the prompt has {length} tokens, the context {length_max}; send fewer");
        return Err(Refusal::new(Code::PromptTooLong, message));
    }
    Ok(())
}

/// Checks that there is a text, and weights to embed it with; its length is the embedder's to
/// judge.
fn check_text(text: &[LlamaToken], length_max: u32) -> Result<(), Refusal> {
    let message = match (text.len(), length_max) {
        (0, _) => "the text has no tokens",
        (_, 0) => "this worker holds a vocabulary alone and cannot embed text",
        _ => return Ok(()),
    };
    Err(Refusal::new(Code::BadParameter, message))
}

/// Drops empty stop strings, which would end everything at once; the broker lets none through.
fn known(mut sampling: Sampling) -> Sampling {
    sampling.stop.retain(|stop| !stop.is_empty());
    sampling
}
