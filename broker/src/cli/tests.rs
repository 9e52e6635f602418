use clap::{CommandFactory, Parser};

use super::{Cli, Command, LogFormat};

fn parse(args: &[&str]) -> Result<Command, clap::Error> {
    let all = std::iter::once("core-broker").chain(args.iter().copied());
    Cli::try_parse_from(all).map(|cli| cli.command)
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_flag_of_the_contract_is_there() {
    let line = "serve --root /r --socket /s/b.sock --token-fd 5 --ready-fd 6 --control-fd 7 \
                --config /c --user 1000 --log-format json";
    let args: Vec<&str> = line.split_whitespace().collect();
    let Ok(Command::Serve(serve)) = parse(&args) else {
        panic!("the contract's own line does not parse")
    };
    assert_eq!(serve.token.token_fd, Some(5));
    assert_eq!((serve.ready_fd, serve.control_fd), (Some(6), Some(7)));
    assert_eq!(serve.user.as_deref(), Some("1000"));
    assert_eq!(serve.log_format, LogFormat::Json);
}

#[test]
fn a_token_has_exactly_one_source() {
    let bare = ["serve", "--root", "/r", "--socket", "/s"];
    assert!(parse(&bare).is_err());
    let both = [&bare[..], &["--token-fd", "3", "--token-file", "/t"]].concat();
    assert!(parse(&both).is_err());
    let one = [&bare[..], &["--token-file", "/t"]].concat();
    assert!(parse(&one).is_ok());
}

#[test]
fn a_descriptor_is_a_number_from_zero_up() {
    for bad in ["-1", "x", "4294967296", ""] {
        let args = ["serve", "--root", "/r", "--socket", "/s", "--token-fd", bad];
        assert!(parse(&args).is_err(), "{bad:?} was taken as a descriptor");
    }
}
