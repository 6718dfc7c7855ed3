//! What a command prints: text for people or JSON for programs, on standard output; everything
//! else (progress, errors) goes to standard error.

use crate::cli::failure::{Result, doing};
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// The two ways of printing.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(crate) enum Form {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON value.
    Json,
}

/// Where a command prints.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Output {
    form: Form,
    painted: bool,
}

impl Output {
    pub(crate) fn new(form: Form) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { form, painted: form == Form::Text && !plain && io::stdout().is_terminal() }
    }

    /// Whether people read it.
    pub(crate) fn is_text(self) -> bool {
        self.form == Form::Text
    }

    /// Prints one or the other.
    pub(crate) fn either(self, json: impl FnOnce() -> Value, text: impl FnOnce() -> String) -> Result<()> {
        match self.form {
            Form::Json => self.print(&format!("{}\n", json())),
            Form::Text => self.print(&text()),
        }
    }

    /// Prints what only people read.
    pub(crate) fn say(self, text: &str) -> Result<()> {
        match self.form {
            Form::Json => Ok(()),
            Form::Text => self.print(text),
        }
    }

    fn print(self, text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // Who reads has seen enough (`nigh query ... | head`).
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            done => done.map_err(doing("write", Path::new("standard output"))),
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.painted { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Microseconds, as people say them.
pub(crate) fn micros(us: f64) -> String {
    match us {
        us if us < 1000.0 => format!("{us:.0} us"),
        us if us < 1_000_000.0 => format!("{:.2} ms", us / 1000.0),
        us => format!("{:.2} s", us / 1_000_000.0),
    }
}

/// Bytes, as people say them.
#[expect(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
pub(crate) fn bytes(bytes: u64) -> String {
    let mut amount = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if amount < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{amount:.1} {unit}") };
        }
        amount /= 1024.0;
    }
    format!("{amount:.1} TiB")
}

/// At most so many characters, on one line.
pub(crate) fn shorten(text: &str, chars: usize) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= chars {
        return line;
    }
    let cut: String = line.chars().take(chars.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_people_say_them() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([900.0, 1500.0, 2_500_000.0].map(micros), ["900 us", "1.50 ms", "2.50 s"]);
        assert_eq!([12, 1536, 5 << 30].map(bytes), ["12 B", "1.5 KiB", "5.0 GiB"]);
        assert_eq!(shorten("a  b\nc", 9), "a b c");
        assert_eq!(shorten("häuser am see", 8), "häuser…");
    }
}
