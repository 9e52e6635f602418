//! What can be typed, and which exit code each failure gets.

use std::io::{self, Read};

use clap::{CommandFactory, Parser};
use core_client::{
    Code, ConnectError, Dry, Filters, Grammar, Params, Penalties, ProtocolError, Refusal,
    RequestError, TokenFileError, Xtc, wire,
};

use crate::{
    cli::{Cli, Command},
    failure::{Exit, Failure},
    input,
};

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn what_the_contract_lists_can_be_typed() {
    let lines = [
        "corectl run m p --tokens",
        "corectl --json run m p -n 5 --temp nan --top-k 0 --top-p -1 --min-p 0.1 --seed 1 \
         --stop a --stop -b --priority batch --ignore-eos --deadline-ms 5",
        "corectl run m --tokens 1,2,3 --json",
        "corectl run m p --restore a --save b --no-cache",
        "corectl chat m --no-cache",
        "corectl publish m text",
        "corectl withdraw m",
        "corectl run m p --n 3 --logprobs 2 --json-schema f --typical 0.5 --top-n-sigma -1 \
         --xtc-probability nan --xtc-threshold 2 --logit-bias 4=-100 --logit-bias 5=nan",
        "corectl run m p --repeat-penalty 1.1 --repeat-last-n 8 --frequency-penalty -1 \
         --presence-penalty 1 --dry-multiplier 0.8 --dry-base 2 --dry-allowed-length 3 \
         --dry-last-n 9 --dry-breaker : --dry-breaker - --regex [a-z]+",
        "corectl run m p --detach --json",
        "corectl attach 000102030405060708090a0b0c0d0e0f --from 3",
        "corectl chat m --temp 0 --grammar f --dry-multiplier 1",
        "corectl embed m text --json",
        "corectl tokenize m text --plain",
        "corectl detokenize m 1,2,3",
        "corectl --socket s --token-file t load m",
        "corectl unload m",
        "corectl models --json",
        "corectl status",
        "corectl top",
        "corectl metrics --json",
        "corectl audit",
        "corectl drain",
        "corectl shutdown",
    ];
    for line in &lines[1..] {
        let parsed = Cli::try_parse_from(line.split_whitespace());
        assert!(parsed.is_ok(), "{line}: {parsed:?}");
    }
    let missing_value = Cli::try_parse_from(lines[0].split_whitespace());
    assert!(missing_value.is_err());
    let both = Cli::try_parse_from(["corectl", "run", "m", "p", "--tokens", "1"]);
    assert!(both.is_err(), "a text and token ids at once");
}

#[test]
fn what_is_not_typed_keeps_its_default() {
    let cli = Cli::try_parse_from(["corectl", "run", "m", "p", "--top-k", "7"]).unwrap();
    let Command::Run(mut args) = cli.command else { panic!("not run") };
    let expected = Params { top_k: 7, ..Params::default() };
    assert_eq!(args.params().unwrap(), expected);
}

fn params(arguments: &[&str]) -> Result<Params, Failure> {
    let line = [&["corectl", "run", "m", "p"], arguments].concat();
    match Cli::try_parse_from(line).unwrap().command {
        Command::Run(mut args) => args.params(),
        other => panic!("{other:?} is not run"),
    }
}

#[test]
fn each_flag_reaches_its_parameter() {
    let parsed = params(&[
        "--n=3",
        "--logprobs=2",
        "--typical=0.5",
        "--top-n-sigma=1.5",
        "--xtc-probability=0.25",
        "--xtc-threshold=0.2",
        "--repeat-penalty=1.1",
        "--repeat-last-n=8",
        "--dry-base=2",
        "--frequency-penalty=-1",
        "--presence-penalty=1",
        "--dry-multiplier=0.8",
        "--dry-allowed-length=3",
        "--dry-last-n=9",
        "--dry-breaker=;",
        "--logit-bias=4=-100",
    ]);
    let xtc = Xtc { probability: 0.25, threshold: 0.2 };
    let dry = Dry {
        multiplier: 0.8,
        base: 2.0,
        allowed_length: 3,
        last_n: 9,
        breakers: vec![";".into()],
    };
    let expected = Params {
        n: 3,
        logprobs: Some(2),
        filters: Filters { typical_p: 0.5, top_n_sigma: 1.5, xtc },
        penalties: Penalties { last_n: 8, repeat: 1.1, frequency: -1.0, presence: 1.0, dry },
        logit_bias: vec![(4, -100.0)],
        ..Params::default()
    };
    assert_eq!(parsed.unwrap(), expected);
}

#[test]
fn a_bias_is_a_token_and_a_number() {
    for wrong in ["4", "=1", "x=1", "4=much", "-1=2"] {
        let line = ["corectl", "run", "m", "p", "--logit-bias", wrong];
        assert!(Cli::try_parse_from(line).is_err(), "{wrong}");
    }
}

#[test]
fn a_grammar_is_told_by_its_notation() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (lark, gbnf) = (r#"start: "a""#.to_owned(), r#"root ::= "a""#.to_owned());
    let cases = [
        ("--grammar", file("a.lark", &lark), Grammar::Lark(lark.clone())),
        ("--grammar", file("b.GBNF", &lark), Grammar::Gbnf(lark)),
        ("--grammar", file("c.txt", &gbnf), Grammar::Gbnf(gbnf)),
        ("--json-schema", file("d.json", "{}\n"), Grammar::JsonSchema("{}\n".into())),
        ("--regex", "-[a-z]+".into(), Grammar::Regex("-[a-z]+".into())),
    ];
    for (flag, value, expected) in cases {
        assert!(params(&[flag, &value]).unwrap().grammar == Some(expected), "{flag} {value}");
    }
    assert_eq!(params(&["--grammar", "/nonexistent/g"]).unwrap_err().exit(), Exit::Usage);
    let book = file("e.lark", &"x".repeat(wire::limits::GRAMMAR_BYTES_MAX + 1));
    let refused = params(&["--grammar", &book]).unwrap_err();
    assert!(refused.to_string().starts_with("BAD_GRAMMAR: "), "{refused}");
    assert_eq!(refused.exit(), Exit::Failed);
    let two = ["corectl", "run", "m", "p", "--regex", "a", "--grammar", "g"];
    assert!(Cli::try_parse_from(two).is_err(), "two grammars at once");
}

#[test]
fn a_newcomer_reads_the_usual_flags_first() {
    let mut command = Cli::command();
    command.build();
    let run = command.find_subcommand_mut("run").unwrap();
    let help = run.render_help().to_string();
    let places: Vec<usize> = [
        "Options:",
        "--max-tokens",
        "--ignore-eos",
        "More of the answer:",
        "--n <N>",
        "What the answer has to be",
        "--json-schema",
        "Further filters:",
        "--xtc-threshold",
        "Against repetition:",
        "--dry-breaker",
        "Single tokens:",
        "--logit-bias",
        "Which broker",
    ]
    .iter()
    .map(|words| help.find(words).unwrap_or_else(|| panic!("{words} is not in {help}")))
    .collect();
    assert!(places.is_sorted(), "{help}");
}

#[test]
fn every_failure_has_the_code_of_the_contract() {
    let read = TokenFileError::Read { path: "t".into(), source: io::Error::other("x") };
    let unreachable =
        ConnectError::Unreachable { socket: "s".into(), source: io::ErrorKind::NotFound.into() };
    let cases = [
        (Failure::Usage("x".into()), Exit::Usage),
        (Failure::Token(read), Exit::NotAuthenticated),
        (unreachable.into(), Exit::NoBroker),
        (ConnectError::Silent.into(), Exit::NoBroker),
        (ConnectError::Stranger.into(), Exit::NoBroker),
        (ConnectError::Version { major: 2, minor: 0 }.into(), Exit::NoBroker),
        (ConnectError::Token.into(), Exit::NotAuthenticated),
        (ConnectError::Refused { uid: 1 }.into(), Exit::NotAuthenticated),
    ];
    check(cases);
}

fn check<const N: usize>(cases: [(Failure, Exit); N]) {
    for (failure, exit) in cases {
        assert_eq!(failure.exit(), exit, "{failure:?}");
    }
}

#[test]
fn a_request_that_fails_has_the_code_of_the_contract() {
    let refusal = Refusal::new(Code::UnknownModel, "x");
    let cases = [
        (RequestError::Refused(refusal).into(), Exit::Failed),
        (RequestError::Cancelled.into(), Exit::Cancelled),
        (RequestError::Lost.into(), Exit::NoBroker),
        (RequestError::Protocol(ProtocolError::Shape).into(), Exit::NoBroker),
        (Failure::output(io::ErrorKind::BrokenPipe.into()), Exit::Done),
        (Failure::output(io::ErrorKind::StorageFull.into()), Exit::Failed),
        (Failure::Abandoned, Exit::Cancelled),
    ];
    check(cases);
}

#[test]
fn exit_codes_are_those_of_the_contract() {
    let numbers = [Exit::Done, Exit::Failed, Exit::Cancelled, Exit::Usage, Exit::NoBroker];
    assert_eq!(numbers.map(|exit| exit as u8), [0, 1, 2, 64, 69]);
    assert_eq!(Exit::NotAuthenticated as u8, 77);
}

#[test]
fn standard_input_is_bounded_text_without_its_last_newline() {
    let most = wire::limits::CLIENT_FRAME_BYTES_MAX as u64;
    assert_eq!(input::read_all(&b"a\nb\n\n"[..]).unwrap(), "a\nb\n");
    assert_eq!(input::read_all(&b""[..]).unwrap(), "");
    let invalid = input::read_all(&b"ab\xff"[..]).unwrap_err();
    assert!(invalid.to_string().contains("after byte 2"), "{invalid}");
    assert!(input::read_all(io::repeat(b'x').take(most)).is_ok());
    let endless = input::read_all(io::repeat(b'x')).unwrap_err();
    assert_eq!(endless.exit(), Exit::Usage);
}
