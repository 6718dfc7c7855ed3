//! The queries of docs/explain.md say what the document says, but for times, work and the route where it is a close
//! call; and their stages add up to their time.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_server::config::Config;
use nigh_server::serve::Server;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// A command of the document, and what it says there.
struct Explained {
    args: Vec<String>,
    says: String,
}

/// Every `nigh query`, with the block behind it.
fn explained(document: &str) -> Vec<Explained> {
    let mut blocks = document.split("```").collect::<Vec<_>>().into_iter();
    let mut all = Vec::new();
    while let Some(block) = blocks.next() {
        let Some(line) = block.strip_prefix("sh\nnigh ").filter(|line| line.starts_with("query ")) else { continue };
        assert_eq!(blocks.next(), Some("\n"), "what it says stands behind it");
        let says = blocks.next().and_then(|block| block.strip_prefix("text\n")).expect("a block of text");
        all.push(Explained { args: words(line.trim()), says: says.into() });
    }
    all
}

/// As a shell takes a line apart: at blanks that are not between double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for sign in line.chars() {
        match sign {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(sign),
        }
    }
    words
}

/// What has to be the same everywhere: numbers, times and alignment are not, nor is what depends on a close call.
fn shape(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let mut shape = String::new();
        for sign in line.chars() {
            match sign {
                '0'..='9' if shape.ends_with('#') => {}
                '.' | ',' if shape.ends_with('#') => {}
                '0'..='9' => shape.push('#'),
                ' ' if shape.ends_with(' ') => {}
                _ => shape.push(sign),
            }
        }
        let shape = ["us", "ms", "s"].iter().fold(shape, |shape, unit| {
            let (inside, at_end) = (format!("# {unit} "), format!("# {unit}"));
            let shape = shape.replace(&inside, "# t ").replace(&format!("# {unit},"), "# t,");
            shape.strip_suffix(&at_end).map_or(shape.clone(), |start| format!("{start}# t"))
        });
        let cut = |at: &str| shape.split_once(at).map(|(start, _)| format!("{start}{at}"));
        cut(" matching").or_else(|| cut("estimated:")).unwrap_or(shape)
    };
    let plan = |line: &String| line.starts_with("plan ");
    let mut lines: Vec<String> = text.lines().map(line).filter(|line| !line.contains("estimated:")).collect();
    for line in lines.iter_mut().filter(|line| plan(line)) {
        *line = line.split_once(':').unwrap().0.to_owned();
    }
    lines
}

async fn nigh(addr: &str, args: &[String]) -> Output {
    let mut nigh = Command::new(env!("CARGO_BIN_EXE_nigh"));
    nigh.args(args).args(["--addr", addr]).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    tokio::task::spawn_blocking(move || nigh.output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_says_what_the_queries_say() {
    let folder = tempfile::tempdir().unwrap();
    let loopback = "127.0.0.1:0".parse().unwrap();
    let config = Config { grpc: loopback, http: loopback, ..Config::new(folder.path()) };
    let running = Server::start(config).await.unwrap();
    running.ready().await;
    let addr = running.grpc_addr().to_string();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/explain.md");
    let document = std::fs::read_to_string(document).unwrap();
    let (_, setup) = document.split_once("and in another terminal\n\n```sh\n").unwrap();
    let (setup, _) = setup.split_once("```").unwrap();
    for line in setup.replace("\\\n", " ").lines() {
        let args: Vec<String> = line.split_whitespace().skip(1).map(str::to_owned).collect();
        let said = nigh(&addr, &args).await;
        assert!(said.status.success(), "{line}: {said:?}");
    }
    let all = explained(&document);
    assert_eq!(all.len(), 10);
    for Explained { args, says } in all {
        let said = nigh(&addr, &args).await;
        assert!(said.status.success(), "{args:?}: {said:?}");
        let text = String::from_utf8(said.stdout).unwrap();
        assert_eq!(shape(&text), shape(&says), "{args:?} says\n{text}");

        let mut args = args;
        args.extend(["-o".to_owned(), "json".to_owned()]);
        let said = nigh(&addr, &args).await;
        let reply: Value = serde_json::from_slice(&said.stdout).unwrap();
        let explanation = &reply["explanation"];
        let total = explanation["total_us"].as_f64().unwrap();
        let stages = explanation["stages"].as_array().unwrap();
        let sum: f64 = stages.iter().map(|stage| stage["took_us"].as_f64().unwrap()).sum();
        assert!((sum - total).abs() <= total / 10.0 && total > 0.0, "{args:?}: {sum} of {total}");
        assert!(stages.len() > 3 && !explanation["retrievers"].as_array().unwrap().is_empty(), "{explanation}");
    }
    running.shutdown().await.unwrap();
}
