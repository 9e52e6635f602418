use super::{Grammar, Params};
use crate::{code::Code, limits::GRAMMAR_BYTES_MAX};

type Change = fn(&mut Params);

/// Each out of its range, with the words that the refusal must hold.
const BAD: [(Change, &str); 28] = [
    (|p| p.max_tokens = 0, "max_tokens is 0"),
    (|p| p.temperature = f32::NAN, "temperature is NaN"),
    (|p| p.temperature = -0.1, "temperature is -0.1"),
    (|p| p.temperature = f32::INFINITY, "temperature is inf"),
    (|p| p.top_k = u32::MAX, "top_k is 4294967295"),
    (|p| p.top_p = 0.0, "top_p is 0"),
    (|p| p.min_p = 1.5, "min_p is 1.5"),
    (|p| p.n = 0, "n is 0"),
    (|p| p.n = 10_000, "n is 10000; 1 to 16"),
    (|p| p.logprobs = Some(21), "logprobs is 21"),
    (|p| p.stop = vec![String::new()], "a stop string has 0 bytes"),
    (|p| p.filters.typical_p = 0.0, "typical_p is 0"),
    (|p| p.filters.top_n_sigma = -1.0, "top_n_sigma is -1"),
    (|p| p.filters.xtc.probability = f32::NAN, "xtc_probability is NaN"),
    (|p| p.filters.xtc.threshold = 2.0, "xtc_threshold is 2"),
    (|p| p.penalties.last_n = u32::MAX, "repeat_last_n"),
    (|p| p.penalties.repeat = 0.0, "repeat_penalty is 0"),
    (|p| p.penalties.repeat = f32::NEG_INFINITY, "repeat_penalty is -inf"),
    (|p| p.penalties.frequency = 2.1, "frequency_penalty is 2.1"),
    (|p| p.penalties.presence = -2.1, "presence_penalty is -2.1"),
    (|p| p.penalties.dry.multiplier = f32::NAN, "dry_multiplier is NaN"),
    (|p| p.penalties.dry.base = 0.5, "dry_base is 0.5"),
    (|p| p.penalties.dry.allowed_length = 0, "dry_allowed_length is 0"),
    (|p| p.penalties.dry.breakers = vec!["x".into(); 17], "17 DRY breakers"),
    (|p| p.penalties.dry.breakers = vec!["a\0".into()], "a DRY breaker holds a NUL"),
    (|p| p.logit_bias = vec![(1, f32::NAN)], "a logit bias is NaN"),
    (|p| p.logit_bias = vec![(u32::MAX, 1.0)], "a token of logit_bias is 4294967295"),
    (|p| p.logit_bias = vec![(1, 1.0); 1025], "1025 logit biases"),
];

#[test]
fn each_bad_value_is_named_with_its_range() {
    assert_eq!(Params::default().check(), Ok(()));
    for (change, words) in BAD {
        let mut params = Params::default();
        change(&mut params);
        let refusal = params.check().unwrap_err();
        assert_eq!(refusal.code, Code::BadParameter);
        assert!(refusal.message.contains(words), "{} lacks {words}", refusal.message);
        assert!(refusal.message.contains("allowed"), "{}", refusal.message);
    }
}

#[test]
fn a_grammar_has_a_size() {
    for source in [String::new(), "x".repeat(GRAMMAR_BYTES_MAX + 1)] {
        let params = Params { grammar: Some(Grammar::Lark(source)), ..Params::default() };
        assert_eq!(params.check().unwrap_err().code, Code::BadGrammar);
    }
}
