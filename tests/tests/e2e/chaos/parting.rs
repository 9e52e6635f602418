//! Whether an answer that was interrupted is the one that its model gives.

use core_client::{Client, Generate, Params, Prompt, Special};

use crate::{
    compare::common,
    talk::{Heard, Said, ask, greedy},
};

/// How far apart two tokens may be of which either can be chosen, in log probability. What was said
/// before a kill is computed again as a prompt, many tokens at a time where it was one: that moves
/// the numbers more than what else runs beside does, and each kill does so once more.
pub(super) const BORDER: f32 = 0.1;

/// Alternatives that are looked at: the most that there are.
const NEIGHBOURS: u32 = 20;

/// Tokens of one answer that may be tipped: one in ten, or something else is wrong.
const TIPPED_SHARE: usize = 10;

/// Follows a greedy answer with undisturbed ones: the first behind the prompt, and where a token
/// was tipped to its neighbour another behind that token, to the end. Panics where a token is
/// neither the likeliest nor within [`BORDER`] of it. How many were tipped.
pub(super) async fn follow(client: &Client, prompt: &str, heard: &Heard) -> usize {
    let mut ids = client.tokenize("story", prompt, Special::Prompt).await.expect("tokens");
    let (mut from, mut tipped) = (0, 0);
    loop {
        let rest = &heard.said[from..];
        let undisturbed = ask(client, behind(&ids, rest.len())).await;
        let same = same_to_tipped(&undisturbed.said, rest);
        ids.extend(rest.iter().take(same + 1).map(|said| said.id));
        from += same + 1;
        if from >= heard.said.len() {
            return tipped + usize::from(from == heard.said.len());
        }
        tipped += 1;
        assert!(tipped <= heard.said.len() / TIPPED_SHARE, "{tipped} tokens by {from} are others");
    }
}

/// How many tokens two answers have in common; where they part, the other's has to be nearly as
/// likely as the likeliest.
fn same_to_tipped(undisturbed: &[Said], other: &[Said]) -> usize {
    assert_eq!(undisturbed.len(), other.len(), "both ran to their length");
    let same = common(undisturbed, other);
    if let Some((likeliest, other)) = undisturbed.get(same).zip(other.get(same)) {
        let log_probability = |id: u32| likeliest.top.iter().find(|(token, _)| *token == id);
        let (high, low) = (log_probability(likeliest.id), log_probability(other.id));
        let distance = high.zip(low).map(|((_, high), (_, low))| high - low);
        assert!(
            distance.is_some_and(|distance| distance <= BORDER),
            "token {same}, {}, is {distance:?} from the likeliest: {:?}",
            other.id,
            likeliest.top
        );
    }
    same
}

fn behind(ids: &[u32], max_tokens: usize) -> Generate {
    let request = greedy("story", "", u32::try_from(max_tokens).expect("few"));
    let params = Params { logprobs: Some(NEIGHBOURS), ..request.params };
    Generate { params, prompt: Prompt::Tokens(ids.to_vec()), ..request }
}
