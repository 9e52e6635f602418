//! Two hundred grammars that nobody sends who wants an answer.

use core_wire::{client::params::Grammar, limits::GRAMMAR_BYTES_MAX};
use serde_json::json;

/// Sizes that each way of growing is tried with.
const SIZES: [usize; 5] = [10, 100, 1000, 10_000, 30_000];

/// All of them, none longer than the broker lets through.
pub(super) fn all() -> Vec<Grammar> {
    let mut all: Vec<Grammar> = SIZES.iter().flat_map(|&size| growing(size)).collect();
    // Just within the bound on rules times brackets, so that the stack has to hold.
    all.extend([deep('a'), deep('A')]);
    all.extend(LARK.map(|source| Grammar::Lark(source.into())));
    all.extend(REGEX.map(|source| Grammar::Regex(source.into())));
    all.extend(SCHEMAS.map(|source| Grammar::JsonSchema(source.into())));
    all.extend(GBNF.map(|source| Grammar::Gbnf(source.into())));
    all.extend((0..20).map(noise));
    all.retain(|grammar| (1..=GRAMMAR_BYTES_MAX).contains(&grammar.source().len()));
    all
}

/// A chain of rules or of terminals, each through many brackets.
fn deep(name: char) -> Grammar {
    const RULES: usize = 94;
    let (open, close) = ("(".repeat(20), ")".repeat(20));
    let rule = |i| format!("{name}{i}: {open}\"b\" {name}{} | \"c\"{close}\n", i + 1);
    let rules: String = (0..RULES).map(rule).collect();
    Grammar::Lark(format!("start: {name}0\n{rules}{name}{RULES}: \"a\""))
}

fn growing(n: usize) -> Vec<Grammar> {
    let nested = |open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(n), close.repeat(n))
    };
    let rules = |rule: &dyn Fn(usize) -> String, last: &str| {
        format!("start: A0\n{}\nA{n}: {last}", (0..n).map(rule).collect::<Vec<_>>().join("\n"))
    };
    let chain = rules(&|i| format!("A{i}: A{} \"b\"", i + 1), "\"a\"");
    let double = rules(&|i| format!("A{i}: A{0} A{0}", i + 1), "\"a\"");
    let mut all = vec![
        Grammar::Lark(format!("start: {}", nested("(", "\"a\"", ")"))),
        Grammar::Lark(format!("start: {}", nested("%lark { start: ", "\"a\"", " }"))),
        Grammar::Lark(format!("start: A\nA: {}/a/", "~".repeat(n))),
        Grammar::Lark(format!("start: A\nA: {}/b/", "/(.|\\n)*a(.|\\n){5}/ & ".repeat(n))),
        Grammar::Lark(format!("start: {}\"a\"", "\"a\"? ".repeat(n))),
        Grammar::Lark(format!("start: a{{{n},{}}}\na: \"x\" | \"y\"", 2 * n)),
        Grammar::Lark(chain.to_lowercase()),
        Grammar::Lark(double.to_lowercase()),
        Grammar::Lark(chain),
        Grammar::Lark(double),
        Grammar::Regex(nested("(", "a", ")")),
        Grammar::Regex(nested("[", "a", "]")),
        Grammar::Regex("a?".repeat(n) + &"a".repeat(n)),
        Grammar::Regex("(a+)+".repeat(n / 5) + "$"),
        Grammar::Regex(format!("(a|b)*a(a|b){{{n}}}")),
        Grammar::Regex(format!("(a{{1,{n}}}){{1,{n}}}")),
        Grammar::Regex(format!("\\w{{{n}}}")),
        Grammar::Gbnf(format!("root ::= {}", nested("(", "\"a\"", ")"))),
        Grammar::Gbnf(format!("root ::= \"a\"{{{n},{}}}", 2 * n)),
    ];
    all.extend(schemas(n).into_iter().map(Grammar::JsonSchema));
    all
}

fn schemas(n: usize) -> Vec<String> {
    let nested = |open: &str, close: &str| format!("{}true{}", open.repeat(n), close.repeat(n));
    let references = |each: &dyn Fn(String) -> serde_json::Value| {
        let definition = |i| (format!("d{i}"), each(format!("#/$defs/d{}", i + 1)));
        let mut definitions: serde_json::Map<_, _> = (0..n.min(1000)).map(definition).collect();
        definitions.insert(format!("d{}", n.min(1000)), json!({"type": "null"}));
        json!({"$ref": "#/$defs/d0", "$defs": definitions}).to_string()
    };
    let patterns = (0..n).map(|i| json!({"pattern": format!(".*a.{{{}}}", i % 7)}));
    let either = |i| json!({"anyOf": [{"required": [format!("a{i}")]}, {"minProperties": i}]});
    vec![
        nested(r#"{"type":"array","items":"#, "}"),
        nested(r#"{"not":"#, "}"),
        references(&|next| json!({"$ref": next})),
        references(&|next| json!({"allOf": [{"$ref": next}, {"$ref": next}]})),
        references(&|next| json!({"anyOf": [{"$ref": next}, {"items": {"$ref": next}}]})),
        json!({"enum": (0..n).map(|i| format!("v{i}")).collect::<Vec<_>>()}).to_string(),
        json!({"allOf": patterns.collect::<Vec<_>>()}).to_string(),
        json!({"allOf": (0..n).map(either).collect::<Vec<_>>()}).to_string(),
        json!({"type": "string", "minLength": n * n, "maxLength": n * n * 10}).to_string(),
        json!({"items": {"type": "integer"}, "minItems": n, "maxItems": n * n}).to_string(),
        json!({"type": "integer", "multipleOf": n * n + 1}).to_string(),
    ]
}

/// A text of 64 KiB or less in which every character means something somewhere.
fn noise(seed: u32) -> Grammar {
    const LETTERS: &[char] = &[
        's', 't', 'a', 'r', 'A', ':', '|', '(', ')', '[', ']', '{', '}', '*', '+', '?', '~', '"',
        '/', '\\', '\n', ' ', '<', '>', '@', '%', ',', '.', '&', '=', '_', '0', '9', '#', 'ü',
        '😀',
    ];
    let mut state = u64::from(seed);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(u64::from(seed) * 2 + 1);
        LETTERS[usize::try_from(state >> 33).unwrap() % LETTERS.len()]
    };
    let length = [30, 300, 3000, 20_000][usize::try_from(seed % 4).unwrap()];
    let text: String = (0..length).map(|_| next()).collect();
    match seed / 4 {
        0 => Grammar::Lark(format!("start: {text}")),
        1 => Grammar::Regex(text),
        2 => Grammar::JsonSchema(format!("{{\"type\":{text}")),
        3 => Grammar::Gbnf(format!("root ::= {text}")),
        _ => Grammar::Lark(text),
    }
}

const LARK: [&str; 24] = [
    "start: start \"a\" | \"a\"",
    "start: start",
    "start: x\nx: x | y\ny: x",
    "start: x*\nx: y*\ny: x*",
    "start: ((\"a\"*)*)*",
    "start: ",
    "start",
    "foo: \"a\"",
    "start: X\nX: X \"a\" | \"a\"",
    "start: X\nX: Y\nY: X",
    "start: \"a\"{1,1000000000}",
    "start: x{1,1000000000}\nx: \"a\" \"b\"",
    "start: x{4294967296,99999999999999999999}\nx: \"a\"",
    "start: \"\\ud800\"",
    "start: \"\\uD83D\"",
    "start: /\\ud800/",
    "start: <[0-999999]>",
    "start: <[4294967296]>",
    "start: <|im_end|>",
    "start: @0",
    "%ignore //\nstart: \"b\"",
    "%import nope.X\nstart: X",
    "start[stop=\"\", max_tokens=0]: /.*/",
    "start : x::0\nx::_ : \"a\" x::incr(_) | \"b\" x::decr(_)",
];

const REGEX: [&str; 20] = [
    "a{1,1000000000}",
    "(a{1000}){1000}",
    "((a{100}){100}){100}",
    "(a+)+b",
    "(x+x+)+y",
    "(a|aa)+$",
    "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)[^a]",
    "(.*a){2000}",
    ".{0,5000}a.{0,5000}b",
    "\\ud800",
    "\\u{110000}",
    "\\x{ffffffff}",
    "[z-a]",
    "(?=a)",
    "(a)\\1",
    "\\p{Nope}",
    "(?-u)\\xff",
    "[^\\x00-\\x{10FFFF}]",
    "(?i)\\p{L}{1,400}",
    "(",
];

const SCHEMAS: [&str; 24] = [
    r##"{"$ref":"#"}"##,
    r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}"##,
    r##"{"allOf":[{"$ref":"#"}]}"##,
    r##"{"anyOf":[{"$ref":"#"}]}"##,
    r##"{"type":"array","items":{"$ref":"#"},"minItems":1}"##,
    r#"{"$ref":"file:///etc/passwd"}"#,
    r#"{"$ref":"http://x/y"}"#,
    r#"{"enum":["\ud800"]}"#,
    r#"{"pattern":"\\ud800"}"#,
    r#"{"enum":[]}"#,
    r#"{"const":1e400}"#,
    r#"{"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807}"#,
    r#"{"type":"number","minimum":1e-300,"maximum":2e-300}"#,
    r#"{"type":"number","multipleOf":1e-300}"#,
    r#"{"type":"number","multipleOf":0}"#,
    r#"{"allOf":[{"multipleOf":4294967291},{"multipleOf":4294967279}],"type":"integer"}"#,
    r#"{"allOf":[{"multipleOf":97},{"multipleOf":89},{"multipleOf":11}],"type":"integer"}"#,
    r#"{"type":"string","minLength":18446744073709551615}"#,
    r#"{"type":"array","minItems":4294967295,"maxItems":4294967296}"#,
    r#"{"type":"object","minProperties":18446744073709551615}"#,
    r#"{"type":"string","pattern":"(a*)*(a*)*(a*)*b"}"#,
    r#"{"type":"object","patternProperties":{"(":{},"":{}}}"#,
    r#"{"x-guidance":{"item_separator":"(a|b)*a(a|b){999}"},"type":"object"}"#,
    "[]",
];

const GBNF: [&str; 10] = [
    "root ::= root \"a\" | \"a\"",
    "root ::= root",
    "root ::= ((\"a\"*)*)*",
    "root ::= \"a\"{1,1000000000}",
    "root ::= x{10000}\nx ::= y{10000}\ny ::= z{10000}\nz ::= [a-z]",
    "root ::= \"\\ud800\"",
    "root ::= [^\\x00-\\U0010FFFF]",
    "root ::= x x x x x x x x\nx ::= y y y y y y y y\ny ::= x? \"a\"",
    "root ::= (\"a\" | \"aa\")+ \"b\" root?",
    "root ::=",
];
