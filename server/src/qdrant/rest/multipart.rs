//! The file of a form (`multipart/form-data`, RFC 7578; its pieces: RFC 2046, section 5.1.1), while it arrives.
//!
//! ```text
//! --boundary CRLF  headers CRLF CRLF  bytes CRLF --boundary CRLF ...  CRLF --boundary--
//! ```
//!
//! The part called `snapshot` is wanted, and no other one is looked at. Nothing is held but what could be the beginning of a
//! boundary, and the headers of one part.

/// The part that is wanted.
const WANTED: &str = "snapshot";
/// A boundary has at most this many bytes.
const BOUNDARY_MAX: usize = 70;
/// Headers of a part, and what stands before the first one, have at most this many bytes.
const HEAD_MAX: usize = 8 << 10;

/// A form that is being read.
pub(super) struct Multipart {
    /// What ends a part: the line's end before it is of the boundary, not of the part.
    delimiter: Vec<u8>,
    held: Vec<u8>,
    state: State,
    /// Whether the part that is wanted has ended.
    found: bool,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum State {
    /// Before the first boundary.
    Before,
    /// Behind a boundary.
    Behind,
    Headers,
    /// In a part, and whether it is the one that is wanted.
    Within(bool),
    End,
}

/// The boundary that a content type names.
pub(super) fn boundary(content_type: &str) -> Result<String, String> {
    let wrong = || "a snapshot is uploaded as multipart/form-data, in a part called `snapshot`".to_owned();
    let (kind, rest) = content_type.split_once(';').ok_or_else(wrong)?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err(wrong());
    }
    let named = |pair: &str| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then(|| value.trim_matches('"').to_owned())
    };
    let boundary = rest.split(';').find_map(named).ok_or_else(wrong)?;
    match (1..=BOUNDARY_MAX).contains(&boundary.len()) {
        true => Ok(boundary),
        false => Err(format!("the boundary has {} bytes; it has 1 to {BOUNDARY_MAX}", boundary.len())),
    }
}

impl Multipart {
    pub(super) fn new(boundary: String) -> Self {
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        // The first boundary may stand at the very beginning, as if a line had ended before it.
        Self { delimiter, held: b"\r\n".to_vec(), state: State::Before, found: false }
    }

    /// Takes the next bytes of the body: those of the file among them.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        self.held.extend_from_slice(bytes);
        let mut file = Vec::new();
        while self.step(&mut file)? {}
        Ok(file)
    }

    /// Says whether there was a file, and all of it.
    pub(super) fn end(&self) -> Result<(), String> {
        match (self.state, self.found) {
            (State::End, true) => Ok(()),
            (State::End, false) => Err(format!("the form has no part called `{WANTED}`")),
            _ => Err("the form broke off before its end".to_owned()),
        }
    }

    /// Goes on as far as the next thing that is known whole; false where more has to come first.
    fn step(&mut self, file: &mut Vec<u8>) -> Result<bool, String> {
        match self.state {
            State::Before => {
                let Some(at) = find(&self.held, &self.delimiter) else {
                    return within(self.held.len(), "what stands before the first boundary");
                };
                self.held.drain(..at + self.delimiter.len());
                self.state = State::Behind;
            }
            State::Behind => {
                let Some(two) = self.held.first_chunk::<2>().copied() else { return Ok(false) };
                self.state = match &two {
                    b"\r\n" => State::Headers,
                    b"--" => State::End,
                    _ => return Err("a boundary is followed by something else than the end of its line".to_owned()),
                };
                // The line's end stays: headers that are none are an empty line right behind it.
                self.held.drain(..if self.state == State::End { 2 } else { 0 });
            }
            State::Headers => {
                let Some(at) = find(&self.held, b"\r\n\r\n") else {
                    return within(self.held.len(), "the head of a part");
                };
                within(at, "the head of a part")?;
                let wanted = !self.found && is_wanted(&self.held[..at]);
                self.held.drain(..at + 4);
                self.state = State::Within(wanted);
            }
            State::Within(wanted) => {
                let (end, more) = match find(&self.held, &self.delimiter) {
                    Some(at) => (at, true),
                    None => (self.held.len().saturating_sub(self.delimiter.len() - 1), false),
                };
                if wanted {
                    file.extend_from_slice(&self.held[..end]);
                }
                self.held.drain(..if more { end + self.delimiter.len() } else { end });
                if more {
                    (self.state, self.found) = (State::Behind, self.found || wanted);
                }
                return Ok(more);
            }
            State::End => {
                self.held.clear();
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether the headers of a part give it the name that is wanted.
fn is_wanted(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let names = |line: &str| {
        let (header, value) = line.split_once(':')?;
        if !header.trim().eq_ignore_ascii_case("content-disposition") {
            return None;
        }
        let named = |pair: &str| Some(pair.trim().strip_prefix("name=")?.trim_matches('"') == WANTED);
        value.split(';').find_map(named)
    };
    text.split("\r\n").find_map(names).unwrap_or(false)
}

fn within(bytes: usize, what: &str) -> Result<bool, String> {
    match bytes <= HEAD_MAX {
        true => Ok(false),
        false => Err(format!("{what} has more than {HEAD_MAX} bytes")),
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|byte| *byte == wanted[0]) {
        if text[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a form that comes in pieces of so many bytes.
    fn read(form: &[u8], piece: usize) -> Result<Vec<u8>, String> {
        let mut multipart = Multipart::new("B".to_owned());
        let mut file = Vec::new();
        for piece in form.chunks(piece) {
            file.extend(multipart.push(piece)?);
            assert!(multipart.held.len() <= HEAD_MAX + 2 * piece.len() + 8, "{} bytes are held", multipart.held.len());
        }
        multipart.end().map(|()| file)
    }

    fn check(form: &str, want: Result<&[u8], &str>) {
        for piece in (1..9).chain([form.len().max(1)]) {
            match (read(form.as_bytes(), piece), want) {
                (Ok(found), Ok(want)) => assert_eq!(found, want, "{form:?} by {piece}"),
                (Err(found), Err(want)) => assert!(found.contains(want), "{form:?} by {piece}: {found}"),
                other => panic!("{form:?} by {piece}: {other:?}"),
            }
        }
    }

    const PART: &str =
        "--B\r\nContent-Disposition: form-data; name=\"snapshot\"; filename=\"x\"\r\nContent-Type: a/b\r\n\r\n";

    #[test]
    fn the_file_of_a_form_is_read_however_it_comes() {
        check(&format!("{PART}abc\r\n--B--\r\n"), Ok(b"abc"));
        check(&format!("{PART}abc\r\n--B--"), Ok(b"abc"));
        check(&format!("{PART}\r\n--B--"), Ok(b""));
        check(
            &format!("said before\r\n{PART}\r\n--\r\n-B\r\r\n\n--A\r\n--B--\r\nsaid after\r\n--B"),
            Ok(b"\r\n--\r\n-B\r\r\n\n--A"),
        );
        let other = "--B\r\ncontent-disposition:form-data;name=priority\r\n\r\nsnapshot\r\n";
        check(&format!("{other}{PART}abc\r\n{other}--B--"), Ok(b"abc"));
        check(&format!("{PART}abc\r\n{PART}def\r\n--B--"), Ok(b"abc"));
        check("--B\r\n\r\nnobody\r\n--B--", Err("no part called `snapshot`"));
        check("--B--", Err("no part"));
    }

    #[test]
    fn what_is_no_form_is_refused_and_not_held() {
        check("", Err("broke off"));
        check(&format!("{PART}abc"), Err("broke off"));
        check(&format!("{PART}abc\r\n--B"), Err("broke off"));
        check("--Bx\r\n\r\n", Err("boundary is followed"));
        check(&"x".repeat(HEAD_MAX + 10), Err("before the first boundary"));
        check(&format!("--B\r\n{}", "x".repeat(HEAD_MAX + 10)), Err("head of a part"));
    }

    #[test]
    fn a_boundary_is_named_by_the_content_type() {
        assert_eq!(boundary("multipart/form-data; boundary=abc"), Ok("abc".to_owned()));
        assert_eq!(boundary("Multipart/Form-Data;charset=x; Boundary=\"a b\""), Ok("a b".to_owned()));
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        for wrong in [
            "",
            "application/json",
            "multipart/mixed; boundary=a",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            &long,
        ] {
            assert!(boundary(wrong).is_err(), "{wrong}");
        }
    }
}
