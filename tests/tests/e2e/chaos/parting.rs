//! Whether an answer that was interrupted is the one that its model gives.

use core_client::{Client, Generate, Params, Prompt, Special};

use crate::{
    compare::common,
    talk::{Heard, Said, ask, greedy},
};

/// How far apart two tokens are as a rule of which either can be chosen, in log probability. What
/// was said before a kill is computed again as a prompt, many tokens at a time where it was one:
/// that moves the numbers more than what else runs beside does, and each kill does so once more.
///
/// Without any kill, at 5,334 places of 40 answers, the distance of the two likeliest tokens was by
/// that another one: by 0.01 at p50, 0.09 at p99 where they were near each other, 0.65 at most.
pub(super) const BORDER: f32 = 0.1;

/// How far apart they may be at all. Behind a token too few or too many the next one is as a rule
/// several times less likely than the likeliest.
const BORDER_MAX: f32 = 0.7;

/// Alternatives that are looked at: the most that there are.
const NEIGHBOURS: u32 = 20;

/// Tokens of one answer that may be tipped: one in ten, or something else is wrong.
const TIPPED_SHARE: usize = 10;

/// Of these, tokens that may be beyond [`BORDER`]: one in a hundred.
const FAR_SHARE: usize = 100;

/// Follows a greedy answer with undisturbed ones: the first behind the prompt, and where a token
/// was tipped to its neighbour another behind that token, to the end. Panics where a token is
/// farther from the likeliest than [`BORDER_MAX`], or more of them than seldom beyond [`BORDER`].
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
    assert_eq!(undisturbed.len(), other.len(), "both ran to their length");
    let same = common(undisturbed, other);
    let Some((likeliest, other)) = undisturbed.get(same).zip(other.get(same)) else {
        return (same, None);
    };
    let log_probability = |id: u32| likeliest.top.iter().find(|(token, _)| *token == id);
    let (high, low) = (log_probability(likeliest.id), log_probability(other.id));
    let distance = high.zip(low).map(|((_, high), (_, low))| high - low);
    assert!(
        distance.is_some_and(|distance| distance <= BORDER_MAX),
        "token {same}, {}, is {distance:?} from the likeliest: {:?}",
        other.id,
        likeliest.top
    );
    (same, distance)
}

fn behind(ids: &[u32], max_tokens: usize) -> Generate {
    let request = greedy("story", "", u32::try_from(max_tokens).expect("few"));
    let params = Params { logprobs: Some(NEIGHBOURS), ..request.params };
    Generate { params, prompt: Prompt::Tokens(ids.to_vec()), ..request }
}
