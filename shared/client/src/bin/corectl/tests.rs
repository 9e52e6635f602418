//! What can be typed, and which exit code each failure gets.

use std::io::{self, Read};

use clap::{CommandFactory, Parser};
use core_client::{Code, ConnectError, ProtocolError, Refusal, RequestError, TokenFileError, wire};

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
        "corectl chat m --temp 0",
        "corectl tokenize m text --plain",
        "corectl detokenize m 1,2,3",
        "corectl --socket s --token-file t load m",
        "corectl unload m",
        "corectl models --json",
        "corectl status",
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
    let Command::Run(args) = cli.command else { panic!("not run") };
    let expected = core_client::Params { top_k: 7, ..core_client::Params::default() };
    assert_eq!(args.sampling.into_params().unwrap(), expected);
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
