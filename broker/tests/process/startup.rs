//! Every reason not to start, with its exit code and a sentence that names the culprit.

use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Stdio},
};

use crate::harness::{Site, expect_refusal, needs_root, refused, wait};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_command_line_is_64() {
    let site = Site::new();
    expect_refusal(Command::new(site.path("bin/core-broker")), 64, "Usage");
    expect_refusal(site.serve(), 64, "--token-fd");
    let with = |args: &[&str]| {
        let mut command = site.with_token_file();
        command.args(args);
        command
    };
    expect_refusal(with(&["--token-fd", "3"]), 64, "cannot be used with");
    expect_refusal(with(&["--nonsense"]), 64, "--nonsense");
    expect_refusal(with(&["--ready-fd", "77"]), 64, "77 is not open");
    expect_refusal(with(&["--ready-fd", "2"]), 64, "2");
    expect_refusal(with(&["--control-fd", "1"]), 64, "1");
    expect_refusal(with(&["--control-fd", "0"]), 64, "pipe or a socket");
    expect_refusal(with(&["--control-fd", "-1"]), 64, "-1");
    expect_refusal(site.redirected("", &["--token-fd", "0", "--control-fd", "0"]), 64, "each once");
    let twice = ["--token-fd", "5", "--control-fd", "5"];
    expect_refusal(site.redirected("5</dev/null", &twice), 64, "each once");
}

#[test]
fn help_and_version_are_no_errors() {
    let site = Site::new();
    for flag in ["--help", "--version"] {
        let mut command = Command::new(site.path("bin/core-broker"));
        command.arg(flag);
        assert_eq!(refused(command).0, Some(0), "{flag}");
    }
}

#[test]
fn the_token_is_78() {
    let site = Site::new();
    let token = site.path("token");
    for bytes in [&b""[..], b"short", &[b'x'; 31], &[b'x'; (64 << 10) + 1]] {
        fs::write(&token, bytes).unwrap();
        expect_refusal(site.with_token_file(), 78, "32 to 65536");
    }
    fs::write(&token, [b'x'; 32]).unwrap();
    set_mode(&token, 0o644);
    expect_refusal(site.with_token_file(), 78, "0644");
    fs::remove_file(&token).unwrap();
    expect_refusal(site.with_token_file(), 78, "token");
}

#[test]
fn a_token_that_never_ends_is_78_after_five_seconds() {
    let site = Site::new();
    let mut command = site.serve();
    command.args(["--token-fd", "0"]).stdin(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&[b'x'; 40]).unwrap();
    assert_eq!(wait(&mut child).code(), Some(78));
    drop(stdin);
}

#[test]
fn the_configuration_is_78_and_its_lines_are_told() {
    let site = Site::new();
    let file = site.path("root/core.toml");
    fs::write(&file, "drain_ms = 1\nbogus = 2\n").unwrap();
    set_mode(&file, 0o644);
    expect_refusal(site.with_token_file(), 78, "line 2");
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        let mut command = Command::new(site.path("bin/core-broker"));
        command.arg("check").arg("--config").arg(&file);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = check("drain_ms = 1\n\nbogus = 2\n");
    assert_eq!(code, Some(78));
    assert!(said.contains(":3: error:") && said.contains("bogus"), "{said}");
    let (code, said) = check("uids = [0]\n");
    assert_eq!(code, Some(0));
    assert!(said.contains(":1: warning:"), "{said}");
    assert_eq!(check("drain_ms = 1\n"), (Some(0), String::new()));
}

#[test]
fn the_root_directory_is_73() {
    let site = Site::new();
    let models = site.path("root/models");
    fs::remove_dir(&models).unwrap();
    expect_refusal(site.with_token_file(), 73, "models");
    symlink(site.path("bin"), &models).unwrap();
    expect_refusal(site.with_token_file(), 73, "models");
    fs::remove_dir_all(site.path("root")).unwrap();
    expect_refusal(site.with_token_file(), 73, "root");
}

#[test]
fn what_workers_are_started_from_is_73() {
    let site = Site::new();
    fs::remove_file(site.path("bin/engine/libggml-cpu-x64.so")).unwrap();
    expect_refusal(site.with_token_file(), 73, "libggml-cpu");
    fs::remove_file(site.path("bin/core-worker")).unwrap();
    expect_refusal(site.with_token_file(), 73, "core-worker");
}

#[test]
fn the_first_path_that_the_user_cannot_pass_is_73_with_its_mode() {
    if !needs_root("the_first_path_that_the_user_cannot_pass_is_73_with_its_mode") {
        return;
    }
    let site = Site::new();
    set_mode(&site.path("bin"), 0o700);
    expect_refusal(site.with_token_file(), 73, "mode 0700");
    set_mode(&site.path("bin"), 0o755);
    set_mode(&site.path("root/models"), 0o000);
    expect_refusal(site.with_token_file(), 73, "models");
    set_mode(&site.path("root/models"), 0o755);
    std::os::unix::fs::chown(site.path("root/cache"), Some(0), Some(0)).unwrap();
    expect_refusal(site.with_token_file(), 73, "cache");
}

#[test]
fn a_socket_directory_that_is_not_the_brokers_alone_is_73() {
    let site = Site::new();
    let directory = site.path("run");
    fs::create_dir(&directory).unwrap();
    set_mode(&directory, 0o777);
    if crate::harness::own_uid() == 0 {
        set_mode(&directory, 0o700);
        std::os::unix::fs::chown(&directory, Some(4711), None).unwrap();
        expect_refusal(site.with_token_file(), 73, "belongs to uid 4711");
        set_mode(&directory, 0o777);
        let own = Some(crate::harness::BROKER_UID);
        std::os::unix::fs::chown(&directory, own, own).unwrap();
    }
    expect_refusal(site.with_token_file(), 73, "0777");
    set_mode(&directory, 0o700);
    fs::rename(&directory, site.path("elsewhere")).unwrap();
    symlink(site.path("elsewhere"), &directory).unwrap();
    expect_refusal(site.with_token_file(), 73, "run");
    fs::remove_file(&directory).unwrap();
    site.start();
}

#[test]
fn a_second_broker_is_73_and_the_first_is_unharmed() {
    let site = Site::new();
    let _first = site.start();
    let mut client = site.client();
    expect_refusal(site.with_token_file(), 73, "another broker");
    client.works();
    site.client().works();
}

#[test]
fn root_without_a_user_is_77() {
    if !needs_root("root_without_a_user_is_77") {
        return;
    }
    let site = Site::new();
    let start = |args: &[&str]| {
        let mut command = site.serve_as_is();
        command.arg("--token-file").arg(site.path("token")).args(args);
        command
    };
    expect_refusal(start(&[]), 77, "--user");
    expect_refusal(start(&["--user", "0"]), 77, "root");
    expect_refusal(start(&["--user", "root"]), 77, "root");
    expect_refusal(start(&["--user", "no-such-user"]), 64, "no-such-user");
    assert!(!site.path("run").exists(), "something was made before the refusal");
}
