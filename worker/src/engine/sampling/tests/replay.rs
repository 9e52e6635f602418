//! A request that was parked or lost continues as if nothing had happened.

use core_wire::{
    client::params::{Dry, Filters, Grammar, Penalties, Xtc},
    code::Code,
    worker::Sampling,
};
use llama_cpp_2::token::LlamaToken;

use super::{Candidates, Sampler, random_logits, sampling, tools};
use crate::engine::grammar::Standing;

const LENGTH: usize = 48;

/// Everything that keeps a state, and everything that draws.
fn asked(grammar: Option<Grammar>) -> Sampling {
    let dry = Dry { multiplier: 0.8, allowed_length: 1, ..Dry::default() };
    Sampling {
        penalties: Penalties { last_n: 9, repeat: 1.2, frequency: 0.3, presence: 0.2, dry },
        filters: Filters {
            typical_p: 0.95,
            top_n_sigma: 3.0,
            xtc: Xtc { probability: 0.5, threshold: 0.05 },
        },
        logit_bias: vec![(20, 1.0), (21, -1.0)],
        logprobs: Some(3),
        grammar,
        ..sampling(0.9, 60, 0.98, 0.001, 11)
    }
}

/// Chooses until the whole is `LENGTH` long or the grammar is at its end.
fn continued(sampling: &Sampling, mut all: Vec<LlamaToken>, emitted: usize) -> Vec<LlamaToken> {
    let tools = tools();
    let n_vocab = u32::try_from(tools.model.n_vocab()).unwrap();
    let mut sampler = Sampler::new(sampling, &tools, &all, emitted).unwrap();
    let mut candidates = Candidates::new();
    while all.len() < LENGTH {
        let position = u32::try_from(all.len()).unwrap();
        // What a model computes is a function of the tokens before.
        let last = all.last().map_or(0, |token| token.0.unsigned_abs());
        let logits = random_logits(u64::from(last) << 20 | u64::from(position), n_vocab, 6.0);
        let picked = sampler.choose(&logits, position, &mut candidates).unwrap();
        if picked.standing == Standing::Ended {
            break;
        }
        all.push(picked.token);
        if picked.standing == Standing::Complete {
            break;
        }
    }
    all
}

#[test]
fn interrupted_anywhere_it_goes_on_with_the_same_tokens() {
    let words = Grammar::Regex("([a-z]{2,7} ){3,40}end".into());
    let list = r#"{"type": "array", "items": {"enum": ["kite", "ball", "box"]}, "minItems": 9}"#;
    for grammar in [None, Some(words), Some(Grammar::JsonSchema(list.into()))] {
        let sampling = asked(grammar);
        let prompt: Vec<LlamaToken> = (30..36).map(LlamaToken::new).collect();
        let whole = continued(&sampling, prompt.clone(), 0);
        assert!(whole.len() > prompt.len() + 8, "{}", whole.len());
        for emitted in 0..whole.len() - prompt.len() {
            let until = whole[..prompt.len() + emitted].to_vec();
            assert_eq!(continued(&sampling, until, emitted), whole, "after {emitted}");
        }
    }
}

#[test]
fn what_a_grammar_never_allowed_cannot_be_replayed() {
    let sampling = asked(Some(Grammar::Regex("[0-9]+".into())));
    let tools = tools();
    let tokens = tools.model.vocab().tokenize(b"kite", false, false);
    let refused = Sampler::new(&sampling, &tools, &tokens, tokens.len()).err().unwrap();
    assert_eq!(refused.code, Code::GrammarFailed);
    assert!(Sampler::new(&sampling, &tools, &tokens, 0).is_ok(), "a prompt may be anything");
}
