//! What is kept of a request until it ends: its prompt, and whatever else of it waits for a worker.

use std::rc::Rc;

use core_wire::{
    client::Prompt,
    code::{Code, Refusal},
    codec,
    limits::CLIENT_FRAME_BYTES_CEILING,
    worker::JobKind,
};

use crate::{
    runtime::{
        Core,
        contexts::{Scope, Session},
        live::Work,
    },
    workers::{feed::Held, link::Want},
};

impl Core {
    /// A job that keeps its prompt.
    pub(in crate::runtime) fn work(
        &mut self,
        session: Session,
        kind: JobKind,
        want: Want,
        prompt: &Prompt,
    ) -> Result<Work, Refusal> {
        let prompt = self.hold(session, prompt, grammar_bytes(&kind))?;
        Ok(Work { kind, want, prompt, scope: Scope::None, compiled_for: None })
    }

    /// Keeps a prompt for its jobs, and counts it for its session with what else of them waits.
    pub(in crate::runtime) fn hold(
        &mut self,
        session: Session,
        prompt: &Prompt,
        beside: usize,
    ) -> Result<Rc<Held>, Refusal> {
        let prompt = codec::encode(prompt)
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        if prompt.len() > CLIENT_FRAME_BYTES_CEILING {
            let message = format!(
                "the prompt takes {} bytes; at most {CLIENT_FRAME_BYTES_CEILING} fit any worker",
                prompt.len()
            );
            return Err(Refusal::new(Code::PromptTooLong, message));
        }
        let charge = self.prompts.charge(session.domain, prompt.len().saturating_add(beside))?;
        Ok(Rc::new(Held::new(prompt, charge)))
    }
}

/// Bytes of a job's grammar, which waits as long as its prompt.
fn grammar_bytes(kind: &JobKind) -> usize {
    let grammar = match kind {
        JobKind::Compile(grammar) => Some(grammar),
        JobKind::Generate(sampling) => sampling.grammar.as_ref(),
        JobKind::Tokenize(_)
        | JobKind::Detokenize
        | JobKind::Embed
        | JobKind::Save
        | JobKind::Restore
        | JobKind::Publish => None,
    };
    grammar.map_or(0, |grammar| grammar.source().len())
}
