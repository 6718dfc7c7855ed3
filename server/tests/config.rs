//! The `nigh` command as an operator uses it: a configuration that is looked at, keys that are made, a server that asks
//! for them, and takes others while it runs.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn nigh(args: &[&str]) -> Command {
    let mut nigh = Command::new(env!("CARGO_BIN_EXE_nigh"));
    nigh.args(args).env_remove("NIGH_CONFIG").env_remove("NIGH_API_KEY");
    nigh
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A key and its hash.
fn new_key() -> (String, String) {
    let made = nigh(&["key", "new", "-o", "json"]).output().unwrap();
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("key"), text("hash"))
}

#[test]
fn a_configuration_is_looked_at_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nigh.toml");
    let at = file.to_str().unwrap();
    fs::write(&file, "[limits]\nhits_max = 500\n[security]\nadmin_key = 'a-key-of-the-operator'").unwrap();
    let good = nigh(&["config", "check", "--config", at]).output().unwrap();
    assert_eq!(good.status.code(), Some(0), "{}", said(&good));
    let mut shown = nigh(&["config", "show", "--config", at, "--set", "limits.ef_max=7", "--grpc", "127.0.0.1:9"]);
    let shown = shown.env("NIGH__LOG__FORMAT", "json").output().unwrap();
    let shown = said(&shown);
    for line in [
        ("limits.hits_max = 500", "nigh.toml"),
        ("limits.ef_max = 7", "--set"),
        ("listen.grpc = \"127.0.0.1:9\"", "--grpc"),
        ("log.format = \"json\"", "NIGH__LOG__FORMAT"),
        ("limits.offset_max = 10000", "default"),
        ("security.admin_key = \"***\"", "nigh.toml"),
    ] {
        assert!(shown.lines().any(|have| have.starts_with(line.0) && have.ends_with(line.1)), "{line:?}: {shown}");
    }
    assert!(!shown.contains("operator"), "{shown}");
    for (text, culprits) in [
        ("[limits]\nhit_max = 1", ["limits.hit_max", "limits.hits_max"]),
        ("[limits]\nhits_max = 'many'", ["limits.hits_max", "whole number"]),
        ("[listen]\ngrpc = '0.0.0.0:6334'", ["0.0.0.0:6334", "security.keys"]),
        ("[tls]\ncert_file = '/nowhere'\nkey_file = '/nowhere'", ["/nowhere", ""]),
    ] {
        fs::write(&file, text).unwrap();
        let refused = nigh(&["config", "check", "--config", at]).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{text}");
        for culprit in culprits {
            assert!(said(&refused).contains(culprit), "{text}: {}", said(&refused));
        }
    }
}

#[test]
fn a_key_is_hashed_as_it_was_made() {
    let (key, hash) = new_key();
    let mut again = nigh(&["key", "hash"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    again.stdin.take().unwrap().write_all(format!("{key}\n").as_bytes()).unwrap();
    assert_eq!(said(&again.wait_with_output().unwrap()).trim(), hash);
}

/// A server that is ended with its test.
struct Served(Child, String);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(folder: &Path) -> Served {
    let config = folder.join("nigh.toml");
    let mut server = nigh(&["serve", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--config"]);
    server.arg(config).arg("--data").arg(folder.join("data"));
    let mut server = server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addr = line.strip_prefix("nigh listens: gRPC ").and_then(|rest| rest.split(',').next()).unwrap().to_owned();
    Served(server, addr)
}

fn with_key(folder: &Path, hash: &str) {
    let text = format!("[[security.keys]]\nname = 'one'\nhash = '{hash}'\nrole = 'read'\n");
    fs::write(folder.join("nigh.toml"), text).unwrap();
}

#[cfg(unix)]
#[test]
fn a_server_asks_for_keys_and_takes_others_on_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let ((first, first_hash), (second, second_hash)) = (new_key(), new_key());
    with_key(folder.path(), &first_hash);
    let server = serve(folder.path());
    let collections = |key: &str| {
        let file = folder.path().join("key");
        fs::write(&file, key).unwrap();
        let mut ask = nigh(&["collections", "--addr", &server.1, "--api-key-file"]);
        ask.arg(file).output().unwrap()
    };
    assert_eq!(collections(&first).status.code(), Some(0), "{}", said(&collections(&first)));
    assert!(said(&collections(&second)).contains("the key is not known"));
    let none = nigh(&["collections", "--addr", &server.1]).output().unwrap();
    assert!(said(&none).contains("a key is needed"), "{}", said(&none));
    let from_environment = nigh(&["collections", "--addr", &server.1]).env("NIGH_API_KEY", &first).output().unwrap();
    assert_eq!(from_environment.status.code(), Some(0));

    with_key(folder.path(), &second_hash);
    assert!(Command::new("kill").args(["-HUP", &server.0.id().to_string()]).status().unwrap().success());
    assert!((0..1000).any(|_| collections(&second).status.success()), "the new key is taken");
    assert!(!collections(&first).status.success(), "and the old one is not");
}
