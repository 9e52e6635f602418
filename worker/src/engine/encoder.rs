//! A worker whose model encodes text: it embeds, tokenizes, and continues nothing.

use core_wire::{
    code::{Code, Refusal},
    worker::FailedCause,
};
use llama_cpp_2::token::LlamaToken;

use super::{
    IDLE_PARK,
    desk::{Cores, Desk},
    embed::{Beside, Embedder, Text},
    load::{NoModel, failed},
};
use crate::fault::Fault;

/// Tokens of the text that warms the engine up; as many as a prompt that does.
const WARM_TOKENS: u32 = 32;

/// Embeds one text before the last filter, so that all threads are there.
///
/// # Errors
/// [`NoModel::Failed`] where the engine cannot compute with this model.
pub(crate) fn warm_up(embedder: &mut Embedder<'_>, token: LlamaToken) -> Result<(), NoModel> {
    let tokens = vec![token; WARM_TOKENS.min(embedder.tokens_max()) as usize];
    let text = Text { job: core_wire::ids::JobId(0), tokens };
    let warm = embedder.begin(text).and_then(|()| embedder.advance(Beside::Nobody));
    warm.map(|_embedding| ()).map_err(|refusal| failed(FailedCause::Model, refusal.message))
}

/// Serves until the broker says stop.
///
/// # Errors
/// [`Fault`].
pub(crate) fn serve(desk: &mut Desk<'_>, embedder: &mut Embedder<'_>) -> Result<(), Fault> {
    loop {
        // A text that is computed is computed at once, so a cancelled job is not here any more.
        if desk.listen()?.stop {
            return Ok(());
        }
        for generate in desk.prepare(embedder.tokens_max() + 1, usize::MAX, Beside::Nobody)? {
            let message = "this model encodes text and cannot continue it; use a generative model";
            desk.refuse(generate.job, &Refusal::new(Code::BadParameter, message))?;
        }
        if desk.cores() == Cores::Ours {
            embed_next(desk, embedder)?;
        }
        desk.answers.write_one(&mut desk.link)?;
        desk.link.beat();
        let waits = desk.texts.is_empty() || desk.cores() == Cores::Others;
        if waits && desk.is_idle() {
            let _wake = desk.link.rest(IDLE_PARK)?;
        }
    }
}

fn embed_next(desk: &mut Desk<'_>, embedder: &mut Embedder<'_>) -> Result<(), Fault> {
    let Some(text) = desk.texts.pop_front() else {
        return Ok(());
    };
    let job = text.job;
    // The text is computed in one piece: the broker counts its silence from here.
    desk.link.beat();
    let embedding = embedder.begin(text).and_then(|()| embedder.advance(Beside::Nobody));
    desk.link.beat();
    let answered = embedding.and_then(|embedding| {
        let embedding = embedding.unwrap_or_default();
        desk.answers.floats(job, &embedding)
    });
    answered.or_else(|refusal| desk.refuse(job, &refusal))
}
