mod cost;
mod patience;

use core_wire::{client::params::Grammar, code::Code};
use llama_cpp_2::token::LlamaToken;
use llguidance::toktrie::SimpleVob;
use proptest::prelude::*;

use super::{Failed, Standing};
use crate::engine::sampling::{Tools, tests::tools};

fn lark(source: &str) -> Grammar {
    Grammar::Lark(source.into())
}

fn schema(source: &str) -> Grammar {
    Grammar::JsonSchema(source.into())
}

/// Whether the grammar takes the whole text and can end there.
fn takes(grammar: &Grammar, text: &str) -> bool {
    takes_with(&tools(), grammar, text)
}

fn takes_with(tools: &Tools<'_>, grammar: &Grammar, text: &str) -> bool {
    let mut constraint = tools.grammars.compile(grammar).unwrap();
    for token in tools.model.vocab().tokenize(text.as_bytes(), false, false) {
        match constraint.mask() {
            Ok(mask) if mask.is_allowed(token.0.unsigned_abs()) => {}
            _ => return false,
        }
        constraint.accept(token).unwrap();
    }
    let end = tools.model.vocab().eos();
    constraint.mask().is_ok_and(|mask| mask.is_allowed(end.0.unsigned_abs()))
}

fn refused(grammar: &Grammar) -> String {
    let refusal = tools().grammars.compile(grammar).err().unwrap_or_else(|| {
        panic!("not refused: {:?}", grammar);
    });
    assert_eq!(refusal.code, Code::BadGrammar);
    refusal.message
}

#[test]
fn each_kind_of_grammar_takes_what_it_says() {
    let list = schema(r#"{"type": "array", "items": {"type": "integer"}, "maxItems": 2}"#);
    assert!(takes(&list, "[1, 22]") && !takes(&list, "[1, 2, 3]") && !takes(&list, "[1, 2"));
    let number = Grammar::Regex("[0-9]{2,3}".into());
    assert!(takes(&number, "123") && !takes(&number, "1") && !takes(&number, "12a"));
    let pair = lark("start: \"(\" WORD \",\" start? \")\"\nWORD: /[a-z]+/");
    assert!(takes(&pair, "(ab,(c,))") && !takes(&pair, "(ab,(c,)"));
    let left = lark("start: start \"b\" | \"a\"");
    assert!(takes(&left, "abbb") && !takes(&left, "bb"));
    let gbnf =
        "root ::= item (\",\" ws item)*\nitem ::= [a-z]+ | \"(\" ws root \")\"\nws ::= \" \"*";
    let gbnf = Grammar::Gbnf(gbnf.into());
    assert!(takes(&gbnf, "red, (kite, ball)") && !takes(&gbnf, "red, (kite") && !takes(&gbnf, "7"));
}

#[test]
fn a_complete_answer_says_so_and_then_only_ends() {
    let tools = tools();
    let mut constraint = tools.grammars.compile(&Grammar::Regex("ab".into())).unwrap();
    let tokens = tools.model.vocab().tokenize(b"ab", false, false);
    let (last, first) = tokens.split_last().unwrap();
    for token in first {
        assert_eq!(constraint.accept(*token), Ok(Standing::Open));
    }
    assert_eq!(constraint.accept(*last), Ok(Standing::Complete));
    let end = tools.model.vocab().eos();
    let mask = constraint.mask().unwrap();
    assert!(mask.is_allowed(end.0.unsigned_abs()));
    mask.iter_set_entries(|id| {
        let token = LlamaToken::new(i32::try_from(id).unwrap());
        assert!(tools.model.vocab().is_eog(token), "{id}");
    });
    assert_eq!(constraint.accept(end), Ok(Standing::Ended));
}

#[test]
fn a_token_that_is_not_allowed_breaks_it_for_good() {
    let tools = tools();
    let mut constraint = tools.grammars.compile(&Grammar::Regex("[0-9]+".into())).unwrap();
    let word = tools.model.vocab().tokenize(b"kite", false, false);
    assert_eq!(constraint.accept(word[0]), Err(Failed::Stuck));
    assert!(constraint.mask().is_err(), "and no mask is given out");
}

#[test]
fn what_was_compiled_lately_starts_at_its_beginning_each_time() {
    let tools = tools();
    let grammar = Grammar::Regex("(kite|ball) [0-9]{2}".into());
    assert!(!tools.grammars.knows(&grammar));
    let mut first = tools.grammars.compile(&grammar).unwrap();
    assert!(tools.grammars.knows(&grammar));
    let beginning = first.mask().unwrap();
    let tokens = tools.model.vocab().tokenize(b"kite 1", false, false);
    for token in &tokens {
        assert_eq!(first.accept(*token), Ok(Standing::Open));
    }
    let mut second = tools.grammars.compile(&grammar).unwrap();
    let same = |a: &SimpleVob, b: &SimpleVob| a.iter().eq(b.iter());
    assert!(same(&second.mask().unwrap(), &beginning), "the first one moved on alone");
    assert!(!same(&first.mask().unwrap(), &beginning));
    let word = tools.model.vocab().tokenize(b"7", false, false);
    assert_eq!(second.accept(word[0]), Err(Failed::Stuck), "and one that broke breaks no other");
    assert!(takes_with(&tools, &grammar, "ball 42") && first.mask().is_ok());
    tools.grammars.forget();
    assert!(!tools.grammars.knows(&grammar));
}

#[test]
fn a_grammar_that_was_only_checked_or_refused_is_not_kept() {
    let tools = tools();
    let grammars = [Grammar::Regex("a".into()), Grammar::Regex("a(".into())];
    assert!(tools.grammars.check(&grammars[0]).is_ok());
    assert!(tools.grammars.compile(&grammars[1]).is_err());
    assert!(grammars.iter().all(|grammar| !tools.grammars.knows(grammar)));
}

#[test]
fn a_refusal_names_a_limit_or_a_place_and_quotes_nothing() {
    let lines = (0..60).map(|i| format!("T{i}: T{} T{}\n", i + 1, i + 1));
    let doubling = format!("start: T0\n{}T60: /sesame/", lines.collect::<String>());
    let cases = [
        (lark("start: \"sesame\" (\n"), "line"),
        (lark("start: sesame"), "not valid"),
        (lark(&format!("start: {}\"sesame\"{}", "(".repeat(200), ")".repeat(200))), "at most 100"),
        (lark(&format!("start: A\nA: {}/sesame/", "/a/ & ".repeat(40))), "at most 16"),
        (lark("start: x::0xffff \"sesame\"\nx::_: \"a\" x::incr(_)"), "parameters (::)"),
        (lark("start: %json {\"const\": \"sesame\"}"), "%json is not supported"),
        (schema("{\"const\": \"sesame\""), "no JSON at line 1"),
        (schema("{\"type\": \"sesame\"}"), "not valid"),
        (
            schema("{\"type\": \"string\", \"enum\": [1], \"title\": \"sesame\"}"),
            "no answer at all",
        ),
        (schema("{\"minimum\": 1e300, \"title\": \"sesame\"}"), "beyond 1e15"),
        (schema("{\"multipleOf\": 1e-9, \"title\": \"sesame\"}"), "multiple of 0.001"),
        (Grammar::Regex("sesame(".into()), "not valid"),
        (Grammar::Regex("sesame".repeat(10_000)), "at most 16384"),
        (lark(&doubling), "steps to compile"),
        (Grammar::Gbnf("root ::= sesame".into()), "does not have"),
    ];
    for (grammar, words) in cases {
        let message = refused(&grammar);
        assert!(message.contains(words), "{words}: {message}");
        assert!(!message.contains("sesame") && message.len() <= 128, "{message}");
    }
}

/// Texts of what means something, some of them with a beginning that is right.
const GRAMMATICAL: &str =
    "(start: |root ::= |\\{\"type\":)?[a-zA-Z\"/\\[\\](){}|*+?.:=#&~%\\\\\n ,0-9^-]{0,200}";

proptest! {
    // The parser catches its own panics where it can, which a worker cannot: so none may come.
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_text_panics_the_parser(
        kind in 0..4,
        source in GRAMMATICAL,
    ) {
        let grammar = [Grammar::Lark, Grammar::Regex, Grammar::JsonSchema, Grammar::Gbnf]
            [usize::try_from(kind).unwrap()](source);
        if let Err(refusal) = tools().grammars.compile(&grammar) {
            prop_assert!(!refusal.message.contains("parser of this version"));
        }
    }

    #[test]
    fn no_numbers_of_a_schema_panic_the_parser(
        low in -2e15..2e15_f64, high in any::<f64>(), of in 0.0005..2000.0_f64, n in any::<u64>(),
    ) {
        let of = (of * 1000.0).round() / 1000.0;
        let source = format!(
            r#"{{"allOf": [{{"type": "number", "minimum": {low:e}, "multipleOf": {of}}},
               {{"maximum": {high:e}, "exclusiveMinimum": {n}, "multipleOf": 7}}],
               "minItems": {n}, "maxLength": {n}}}"#
        );
        if let Err(refusal) = tools().grammars.compile(&Grammar::JsonSchema(source)) {
            prop_assert!(!refusal.message.contains("parser of this version"));
        }
    }
}
