//! Whether an answer that was interrupted is the one that its model gives.

use core_client::{Client, Generate, Params, Prompt, Special};

use crate::{
    compare::{NEIGHBOURS, RECOVERED, distance, same_within},
    talk::{Heard, Said, ask, greedy},
};

/// How far apart two tokens are as a rule of which either can be chosen, in log probability: each
/// kill moves the numbers once more. They are never farther apart than [`RECOVERED`].
pub(super) const BORDER: f32 = 0.1;

/// Tokens of one answer that may be tipped: one in ten, or something else is wrong.
const TIPPED_SHARE: usize = 10;

/// Of these, tokens that may be beyond [`BORDER`]: one in a hundred.
const FAR_SHARE: usize = 100;

/// Follows a greedy answer with undisturbed ones: the first behind the prompt, and where a token
/// was tipped to its neighbour another behind that token, to the end. Panics where a token is
/// farther from the likeliest than [`RECOVERED`], or more of them than seldom beyond [`BORDER`].
/// How far the tipped ones were.
pub(super) async fn follow(client: &Client, prompt: &str, heard: &Heard) -> Vec<f32> {
    let mut ids = client.tokenize("story", prompt, Special::Prompt).await.expect("tokens");
    let (mut from, mut tipped) = (0, Vec::new());
    let all = heard.said.len();
    while from < all {
        let rest = &heard.said[from..];
        let undisturbed = ask(client, behind(&ids, rest.len())).await;
        let (same, distance) = same_to_tipped(&undisturbed.said, rest);
        ids.extend(rest.iter().take(same + 1).map(|said| said.id));
        from += same + 1;
        tipped.extend(distance);
        let far = tipped.iter().filter(|distance| **distance > BORDER).count();
        assert!(tipped.len() <= all / TIPPED_SHARE, "by token {from} are others: {tipped:?}");
        assert!(far <= all / FAR_SHARE, "by token {from} are too far: {tipped:?}");
    }
    tipped
}

/// How many tokens two answers have in common; where they part, how far the other's token is from
/// the likeliest.
fn same_to_tipped(undisturbed: &[Said], other: &[Said]) -> (usize, Option<f32>) {
    let same = same_within(RECOVERED, undisturbed, other);
    let Some((likeliest, other)) = undisturbed.get(same).zip(other.get(same)) else {
        return (same, None);
    };
    (same, distance(likeliest, other.id))
}

fn behind(ids: &[u32], max_tokens: usize) -> Generate {
    let request = greedy("story", "", u32::try_from(max_tokens).expect("few"));
    let params = Params { logprobs: Some(NEIGHBOURS), ..request.params };
    Generate { params, prompt: Prompt::Tokens(ids.to_vec()), ..request }
}
