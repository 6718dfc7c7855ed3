//! The console: a handful of files that are part of the program, below `/console`.
//!
//! They are plain HTML, CSS and modules, as a browser takes them, and they speak to the server through its public doors
//! like anybody else. Nothing is fetched from elsewhere, and the browser is told not to: the policy allows this origin
//! alone, and no script or style inside a page.

mod files;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use files::{FILES, File};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::LazyLock;

const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// What every answer says.
const HEAD: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    // Kept, and asked about each time: a new version of the server is a new console at once.
    (header::CACHE_CONTROL, "no-cache"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// The paths.
pub(crate) fn router() -> Router {
    Router::new()
        // Relative, so that it holds behind a proxy that puts a path before ours.
        .route("/console", get(async || Redirect::permanent("console/")))
        .route("/console/", get(async |headers: HeaderMap| answer("index.html", &headers)))
        .route("/console/{*path}", get(async |Path(path): Path<String>, headers: HeaderMap| answer(&path, &headers)))
}

fn answer(name: &str, asked: &HeaderMap) -> Response {
    let Some(file) = FILES.iter().find(|file| file.name == name) else {
        return (StatusCode::NOT_FOUND, HEAD, "there is no such page\n").into_response();
    };
    let tag = [(header::ETAG, &TAG[..])];
    let known = asked.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    if known.is_some_and(|tags| tags.contains(&TAG[..])) {
        return (StatusCode::NOT_MODIFIED, HEAD, tag).into_response();
    }
    (StatusCode::OK, HEAD, tag, [(header::CONTENT_TYPE, kind(file))], file.bytes).into_response()
}

fn kind(file: &File) -> &'static str {
    match file.name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// One for all of them: they only go together.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let mut sum = Sha256::new();
    FILES.iter().for_each(|file| sum.update(file.bytes));
    sum.finalize()[..8].iter().fold("\"".to_owned(), |mut tag, byte| {
        // Writing to a String does not fail.
        let _ = write!(tag, "{byte:02x}");
        tag
    }) + "\""
});

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> &'static str {
        let file = FILES.iter().find(|file| file.name == name);
        std::str::from_utf8(file.unwrap_or_else(|| panic!("{name} is not among the files")).bytes).unwrap()
    }

    #[test]
    fn what_is_known_is_not_sent_again() {
        let first = answer("index.html", &HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let mut asked = HeaderMap::new();
        asked.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(answer("index.html", &asked).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(answer("../mod.rs", &asked).status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn every_module_that_is_imported_is_there() {
        for file in FILES.iter().filter(|file| file.name.ends_with(".js")) {
            for line in
                text(file.name).lines().filter(|line| line.starts_with("import ") || line.starts_with("} from "))
            {
                let name = line.rsplit('"').nth(1).unwrap_or_else(|| panic!("{}: {line}", file.name));
                text(name.strip_prefix("./").unwrap_or_else(|| panic!("{}: {line}", file.name)));
            }
        }
    }

    #[test]
    fn nothing_comes_from_elsewhere_and_nothing_is_made_of_text() {
        for file in FILES {
            let text = text(file.name);
            for never in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "https://",
                "style=\"",
                "onclick=\"",
            ] {
                assert!(!text.contains(never), "{} has {never}", file.name);
            }
        }
    }
}
