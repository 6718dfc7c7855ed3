//! The house rules of ARCHITECTURE.md, executed: this test reads the sources and says which line breaks which rule.
//!
//! A rule is a function of a path and its text, so that every one of them is also shown a line that it must refuse.

use std::fs;
use std::path::{Path, PathBuf};

/// A file has at most this many lines; a room with more is two rooms.
const LINES_MAX: usize = 600;

/// Who may depend on whom, and on which foreign crate. `None`: whoever is not named may not.
const FLOORS: &[(&str, &[&str])] = &[
    ("index", &[]),
    ("storage", &["nigh-index"]),
    ("proto", &[]),
    ("client", &["nigh-proto"]),
    ("server", &["nigh-client", "nigh-index", "nigh-proto", "nigh-storage"]),
];

/// One door a foreign crate: the crate, and the beginnings of the paths that may name it.
const DOORS: &[(&str, &[&str])] = &[
    ("simsimd", &["index/src/vector/kernel/"]),
    ("roaring", &["index/src/bitmap.rs"]),
    ("tantivy", &["index/src/text/"]),
    ("siphasher", &["index/src/filter/slice.rs", "index/Cargo.toml"]),
    ("rust_stemmers", &["index/src/text/hashed/"]),
    ("rskafka", &["server/src/cli/import/kafka.rs", "server/Cargo.toml"]),
    ("async_nats", &["server/src/cli/import/nats.rs", "server/Cargo.toml"]),
    ("memmap2", &["storage/src/disk"]),
    ("object_store", &["server/src/engine/target", "server/Cargo.toml"]),
    ("opentelemetry", &["server/src/traces/", "server/Cargo.toml"]),
    ("prost", &["proto/", "server/src/grpc/", "server/src/json/", "server/src/qdrant/grpc/", "client/"]),
    ("tonic", &["proto/", "server/", "client/"]),
    ("tokio", &["server/", "client/"]),
    (
        "axum",
        &["server/src/http", "server/src/serve", "server/src/qdrant/rest/", "server/src/json/", "server/src/console/"],
    ),
    ("prost_reflect", &["server/src/json/"]),
    (
        "nigh_proto",
        &["proto/", "server/src/grpc/", "server/src/qdrant/grpc/", "server/src/json/", "server/src/serve", "client/"],
    ),
];

/// Rooms that must not know each other: no file under the first may name any of the second.
const STRANGERS: &[(&str, &[&str])] = &[
    ("index/src/vector/", &["crate::sparse", "crate::text", "crate::filter", "crate::query"]),
    ("index/src/sparse/", &["crate::vector", "crate::text", "crate::filter", "crate::query"]),
    ("index/src/text/", &["crate::vector", "crate::sparse", "crate::filter", "crate::query"]),
    ("index/src/filter/", &["crate::vector", "crate::sparse", "crate::text", "crate::query"]),
    ("server/src/engine/", &["crate::grpc", "crate::http", "crate::qdrant", "nigh_proto", "tonic", "prost", "axum"]),
    ("server/src/grpc/", &["crate::http", "crate::qdrant"]),
    ("server/src/http", &["crate::grpc", "crate::qdrant"]),
    ("server/src/qdrant/", &["crate::grpc", "crate::http", "crate::json", "crate::console"]),
    ("server/src/json/", &["crate::engine", "crate::grpc", "crate::http", "crate::qdrant"]),
    ("server/src/console/", &["crate::engine", "crate::grpc", "crate::http", "crate::json", "crate::qdrant"]),
    ("storage/src/disk", &["crate::collection", "crate::store", "crate::segment", "crate::wal"]),
];

const UNSAFE_IN: &[&str] = &[
    "index/src/vector/kernel/",
    "index/src/vector/hnsw/graph.rs",
    "index/src/text/bundle.rs",
    "storage/src/disk.rs",
    "storage/src/urgency.rs",
];

/// Every rule over one file: what it breaks, with the line.
fn broken(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let machine = ["wor\u{6b}", "hom\u{65}", "roo\u{74}", "User\u{73}"].map(|name| format!("/{name}/"));
    for (at, line) in text.lines().enumerate() {
        if machine.iter().any(|start| line.contains(start.as_str())) {
            found.push(format!("{path}:{}: a path of one machine", at + 1));
        }
    }
    if path.ends_with("Cargo.toml") {
        found.extend(floors(path, text));
    }
    if !path.ends_with(".rs") {
        return found;
    }
    if text.lines().count() > LINES_MAX {
        found.push(format!("{path}: more than {LINES_MAX} lines"));
    }
    let code = code_of(text);
    for (at, line) in code.lines().enumerate() {
        let mut say = |why: String| found.push(format!("{path}:{}: {why}", at + 1));
        // Tests and benches stand above the house: they may use everything.
        let above = path.starts_with("tests/") || path.starts_with("benches/") || path.contains("/tests/");
        for (name, doors) in DOORS.iter().filter(|_| !above) {
            if names(line, name) && !doors.iter().any(|door| path.starts_with(door)) {
                say(format!("`{name}` has one door, {doors:?}"));
            }
        }
        for (_, strangers) in STRANGERS.iter().filter(|(room, _)| path.starts_with(room)) {
            for name in strangers.iter().filter(|name| names(line, name)) {
                say(format!("this room must not know `{name}`"));
            }
        }
        let ground = path.strip_prefix("index/src/").is_some_and(|rest| !rest.contains('/') && rest != "lib.rs");
        for wing in ["crate::vector", "crate::sparse", "crate::text", "crate::filter", "crate::query"] {
            if ground && names(line, wing) {
                say(format!("the ground floor looks up at `{wing}`"));
            }
        }
        for name in ["utils", "common", "helpers", "misc"] {
            if names(line, &format!("mod {name}")) || path.ends_with(&format!("/{name}.rs")) {
                say(format!("a room called `{name}` is for nothing in particular"));
            }
        }
        if names(line, "unsafe") && !UNSAFE_IN.iter().any(|room| path.starts_with(room)) {
            say("`unsafe` is not allowed here".to_owned());
        }
    }
    for at in through_lib(&code) {
        found.push(format!("{path}:{at}: import from the room that owns the name, not through lib.rs"));
    }
    found
}

/// Dependencies of a crate that its floor does not allow.
fn floors(path: &str, text: &str) -> Vec<String> {
    let name = path.strip_suffix("/Cargo.toml").unwrap_or("");
    let Some((_, allowed)) = FLOORS.iter().find(|(floor, _)| *floor == name) else { return Vec::new() };
    let mut section = "";
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        let key = line.split(['.', ' ', '=']).next().unwrap_or("");
        if !section.contains("dependencies") || key.is_empty() || key.starts_with('[') {
            continue;
        }
        let ours = key.starts_with("nigh-") && !allowed.contains(&key);
        // A crate without a door in this floor has no business among its dependencies.
        let crate_name = key.replace('-', "_");
        let barred = section == "[dependencies]"
            && DOORS.iter().any(|(door, paths)| {
                *door == crate_name && !paths.iter().any(|path| path.starts_with(&format!("{name}/")))
            });
        if ours || barred {
            found.push(format!("{path}: `{name}` must not depend on `{key}`"));
        }
    }
    found
}

/// Lines that import a name through a crate's lib.rs: `crate::Name`, `crate::{Name, ..}`.
fn through_lib(code: &str) -> Vec<usize> {
    let capital = |text: &str| text.trim_start().starts_with(|c: char| c.is_ascii_uppercase());
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let listed = |inner: &str| {
            let mut depth = 0;
            let mut start = true;
            inner.char_indices().any(|(at, c)| {
                let hit = depth == 1 && start && capital(&inner[at..]) && !c.is_whitespace();
                depth += i32::from(c == '{') - i32::from(c == '}');
                start = matches!(c, '{' | ',') || (start && c.is_whitespace());
                hit
            })
        };
        let list = rest.split_once(';').map_or(rest, |(list, _)| list);
        if capital(rest) || (rest.starts_with('{') && listed(list)) {
            found.push(code[..at].matches('\n').count() + 1);
        }
    }
    found
}

/// Whether a line of code names this, as a whole word.
fn names(line: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).any(|(at, _)| {
        !line[..at].ends_with(word) && !line[at + name.len()..].starts_with(word) && !line[..at].ends_with('.')
    })
}

/// The text with comments, strings and characters blanked; lines stay where they are.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let ident = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let hashes = rest.strip_prefix('r').map_or(0, |after| after.len() - after.trim_start_matches('#').len());
        let raw = !ident && c == 'r' && rest[1 + hashes..].starts_with('"');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if raw {
            let close = format!("\"{}", "#".repeat(hashes));
            rest[hashes + 2..].find(&close).map_or(rest.len(), |end| hashes + 2 + end + close.len())
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' && (rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'')) {
            quoted(rest, '\'')
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        code.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[length..];
    }
    code
}

/// The length of a literal that begins and ends with this quote.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn files(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            if !matches!(&name[..], "target" | ".git" | "assets" | "node_modules") {
                files(root, &path, found);
            }
        } else if [".rs", ".toml", ".md", ".py", ".proto", "justfile", "run"].iter().any(|end| name.ends_with(end)) {
            found.push(path.strip_prefix(root).unwrap().to_owned());
        }
    }
}

#[test]
fn the_house_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut paths = Vec::new();
    files(root, root, &mut paths);
    assert!(paths.len() > 40, "this looks at the sources: {paths:?}");
    paths.sort();
    let look = |path: &PathBuf| {
        let text = fs::read_to_string(root.join(path)).unwrap();
        broken(&path.to_string_lossy().replace('\\', "/"), &text)
    };
    let found: Vec<String> = paths.iter().flat_map(look).collect();
    assert!(found.is_empty(), "{} lines break a rule of the house:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_rule_can_fail() {
    let refused = [
        ("index/src/vector/flat.rs", "use simsimd::SpatialSimilarity;"),
        ("index/src/filter/sealed.rs", "let rows = roaring::RoaringBitmap::new();"),
        ("storage/src/merge.rs", "use tantivy::Index;"),
        ("storage/src/wal/reader.rs", "let map = unsafe_map(memmap2::Mmap::map(&file));"),
        ("storage/src/collection.rs", "use tokio::sync::oneshot;"),
        ("server/src/engine/read.rs", "use nigh_proto::v1::Point;"),
        ("server/src/engine/read.rs", "use tonic::Status;"),
        ("server/src/grpc/points.rs", "use crate::http::router;"),
        ("server/src/http.rs", "use crate::grpc::convert;"),
        ("index/src/vector/hnsw/search.rs", "use crate::filter::condition::Condition;"),
        ("index/src/text/live.rs", "use crate::{row::Row, query::plan};\nuse crate::query::fuse;"),
        ("index/src/bitmap.rs", "use crate::text::bm25::Weighted;"),
        ("storage/src/store.rs", "use crate::Error;"),
        ("storage/src/store.rs", "use crate::{\n    disk::Disk,\n    Store,\n};"),
        ("server/src/grpc/convert.rs", "use nigh_index_crate::Row; fn f(row: crate::Row) {}"),
        ("client/src/lib.rs", "mod utils;"),
        ("client/src/helpers.rs", "fn help() {}"),
        ("server/src/main.rs", "fn f() { unsafe { g() } }"),
        ("index/Cargo.toml", "[dependencies]\ntokio = \"1\""),
        ("index/Cargo.toml", "[dependencies]\nnigh-storage.workspace = true"),
        ("storage/Cargo.toml", "[dependencies]\ntonic.workspace = true"),
        ("client/Cargo.toml", "[dev-dependencies]\nnigh-server.workspace = true"),
        ("docs/api.md", concat!("it lies in /ho", "me/me/data")),
    ];
    for (path, text) in refused {
        assert!(!broken(path, text).is_empty(), "{path} may say {text}");
    }
    assert!(!broken("client/src/query.rs", &"\n".repeat(LINES_MAX + 1)).is_empty());
}

#[test]
fn what_is_allowed_passes() {
    let allowed = [
        ("index/src/vector/kernel/", "use simsimd::SpatialSimilarity; unsafe { f() }"),
        ("index/src/query/plan.rs", "use crate::filter::condition::Condition; use crate::vector::spec::VectorSpec;"),
        (
            "index/src/text/live.rs",
            "// crate::query::fuse would be wrong, unsafe, and `tokio`.\nlet s = \"mod utils\";",
        ),
        (
            "storage/src/store.rs",
            "use crate::{disk::Disk, error::{Error, Result}};\nlet c = '\"'; use crate::row::Row;",
        ),
        ("storage/src/store.rs", "let s = r#\"unsafe \" crate::Error\"#; fn f<'a>(x: &'a str) {}"),
        ("server/src/lib.rs", "#![forbid(unsafe_code)]"),
        ("tests/tests/api.rs", "use tonic::Code;"),
        ("client/Cargo.toml", "[dependencies]\nnigh-proto.workspace = true\ntokio.workspace = true"),
    ];
    for (path, text) in allowed {
        assert_eq!(broken(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}

/// The method and path of every route in a source: `.route(path, get(..).post(..))`, where `path(..)` stands for what follows a
/// collection's name. `any(..)` and what only says that there is no such thing here are left to the administrator.
fn routes(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(".route(") {
        let inner = balanced(&text[at + ".route(".len()..]);
        let (path, handlers) = inner.split_once(',').unwrap();
        let literal = path.split('"').nth(1);
        let path = match (path.trim().starts_with("&path("), literal) {
            (true, Some(rest)) if rest.starts_with('/') => format!("/collections/{{collection}}{rest}"),
            (true, Some(rest)) => format!("/collections/{{collection}}/points/{rest}"),
            (false, Some(literal)) => literal.to_owned(),
            (_, None) if path.trim() == "of" => "/collections/{collection}".to_owned(),
            // By the descriptor of a call.
            (_, None) => continue,
        };
        let mut rest = handlers;
        while let Some(open) = rest.find('(') {
            let method = rest[..open].trim().trim_start_matches('.').trim();
            let handler = balanced(&rest[open + 1..]);
            if method != "any" && handler != "service::standalone" && handler != "service::snapshots" {
                found.push(format!("{} {path}", method.to_uppercase()));
            }
            rest = &rest[(open + handler.len() + 2).min(rest.len())..];
        }
    }
    found
}

/// What stands before the bracket that closes.
fn balanced(text: &str) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return &text[..at],
            ')' => depth -= 1,
            _ => {}
        }
    }
    text
}

#[test]
fn every_route_is_in_the_table_of_rights() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (mut paths, mut served) = (Vec::new(), Vec::new());
    files(root, &root.join("server/src"), &mut paths);
    for path in paths {
        served.extend(routes(&fs::read_to_string(root.join(path)).unwrap()));
    }
    assert!(served.len() > 45 && served.contains(&"PATCH /collections/{collection}".to_owned()), "{served:?}");
    let table = fs::read_to_string(root.join("server/src/access/table.rs")).unwrap();
    let missing: Vec<_> = served.iter().filter(|route| !table.contains(&format!("(\"{route}\""))).collect();
    assert!(missing.is_empty(), "closed to all but administrators, since no right is said for them: {missing:?}");
    assert_eq!(
        routes(r#".route(&path("/x"), get(f(|a, b| g(a))).delete(h))"#),
        ["GET", "DELETE"].map(|m| format!("{m} /collections/{{collection}}/x"))
    );
}
