//! What the console is made of.

/// A file of the console.
pub(super) struct File {
    /// Its path below `/console/`.
    pub(super) name: &'static str,
    pub(super) bytes: &'static [u8],
}

macro_rules! files {
    ($($name:literal)*) => {
        /// All of them.
        pub(super) const FILES: &[File] =
            &[$(File { name: $name, bytes: include_bytes!(concat!("web/", $name)) }),*];
    };
}

files! {
    "index.html"
    "icon.svg"
    "base.css"
    "bench.css"
    "forms.css"
    "parts.css"
    "shell.css"
    "views.css"
    "access.js"
    "api.js"
    "collection.js"
    "collections.js"
    "create.js"
    "curl.js"
    "dom.js"
    "exact.js"
    "explain.js"
    "facets.js"
    "filter.js"
    "format.js"
    "hits.js"
    "import.js"
    "main.js"
    "map.js"
    "pca.js"
    "plot.js"
    "point.js"
    "points.js"
    "query.js"
    "recall.js"
    "rows.js"
    "scatter.js"
    "schema.js"
    "server.js"
    "shortcuts.js"
    "sweep.js"
    "theme.js"
    "upload.js"
}
