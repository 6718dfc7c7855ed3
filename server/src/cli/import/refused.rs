//! Messages that are no points: how many may be left out, and where they are kept.

use crate::cli::failure::{Failure, Result, doing};
use crate::cli::import::message::Message;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where bad messages end.
pub(super) struct Refused {
    max: u64,
    /// Places of those that were left out: a session that begins anew meets some of them again.
    left_out: BTreeSet<String>,
    letters: Option<(PathBuf, File)>,
}

impl Refused {
    /// At most so many are left out, and written to this file, behind what is in it.
    pub(super) fn new(max: u64, letters: Option<&Path>) -> Result<Self> {
        let open = |path: &Path| {
            let file = OpenOptions::new().create(true).append(true).open(path).map_err(doing("open", path))?;
            Ok::<_, Failure>((path.to_owned(), file))
        };
        Ok(Self { max, left_out: BTreeSet::new(), letters: letters.map(open).transpose()? })
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.left_out.len() as u64
    }

    /// Leaves one out, or says that this was one too many. What was left out is on disk before the place behind it is
    /// remembered: after a crash it may stand in the file twice, never nowhere.
    pub(super) fn leave_out(&mut self, place: &str, message: &Message, why: &str) -> Result<()> {
        if self.left_out.contains(place) {
            return Ok(());
        }
        if self.count() >= self.max {
            let before =
                if self.max > 0 { format!(" (after {} that were left out)", self.count()) } else { String::new() };
            return Err(Failure::Stream(format!("{place}: {why}{before}")));
        }
        if let Some((path, file)) = &mut self.letters {
            let letter = json!({
                "place": place,
                "why": why,
                "key": text(message.key.as_deref()),
                "value": text(message.value.as_deref()),
            });
            let written = file.write_all(format!("{letter}\n").as_bytes()).and_then(|()| file.sync_data());
            written.map_err(doing("write", path))?;
        }
        self.left_out.insert(place.to_owned());
        Ok(())
    }
}

/// As text, or else in base64.
fn text(bytes: Option<&[u8]>) -> Value {
    match bytes.map(std::str::from_utf8) {
        None => Value::Null,
        Some(Ok(text)) => text.into(),
        Some(Err(_)) => json!({"base64": BASE64_STANDARD.encode(bytes.unwrap_or_default())}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn one_too_many_ends_it_and_the_others_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("letters.jsonl");
        let message = |value: &'static [u8]| Message { at: 1, reaches: 2, key: None, value: Some(Bytes::from(value)) };
        for run in 1..=2 {
            let mut refused = Refused::new(2, Some(&path)).unwrap();
            refused.leave_out("offset 1", &message(b"{"), "no").unwrap();
            refused.leave_out("offset 2", &message(b"\xff"), "no").unwrap();
            refused.leave_out("offset 2", &message(b"\xff"), "no").unwrap();
            let error = refused.leave_out("offset 3", &message(b"{"), "it is bad").unwrap_err().to_string();
            assert_eq!(error, "offset 3: it is bad (after 2 that were left out)");
            let lines = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(lines.len(), 2 * run, "what was there stays");
            assert_eq!(lines[0], json!({"place": "offset 1", "why": "no", "key": null, "value": "{"}));
            assert_eq!(lines[1]["value"]["base64"], "/w==");
        }
    }
}
