//! The words of a filter's text: paths, numbers, quoted strings, signs.

use std::borrow::Cow;

/// A word that cannot stand as a bare path.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    And,
    Or,
    Not,
    In,
    Is,
    Null,
    Empty,
    Between,
    True,
    False,
    HasId,
}

const WORDS: [(&str, Word); 11] = [
    ("AND", Word::And),
    ("OR", Word::Or),
    ("NOT", Word::Not),
    ("IN", Word::In),
    ("IS", Word::Is),
    ("NULL", Word::Null),
    ("EMPTY", Word::Empty),
    ("BETWEEN", Word::Between),
    ("TRUE", Word::True),
    ("FALSE", Word::False),
    ("HAS_ID", Word::HasId),
];

/// Longer signs first, so that `<=` is not read as `<`.
const SIGNS: [(&str, &str); 11] = [
    ("==", "="),
    ("!=", "!="),
    ("<>", "!="),
    ("<=", "<="),
    (">=", ">="),
    ("=", "="),
    ("<", "<"),
    (">", ">"),
    ("(", "("),
    (")", ")"),
    (",", ","),
];

/// One piece of the text.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Token<'t> {
    /// A path, as `Path::parse` reads it.
    Path(Cow<'t, str>),
    /// Digits, a sign, a point, an exponent; whether they are a number is seen where it is used.
    Number(&'t str),
    /// A quoted string, without its quotes and escapes.
    Text(String),
    /// One of [`WORDS`], in any case.
    Word(Word),
    /// One of [`SIGNS`].
    Sign(&'static str),
    /// Nothing is left.
    End,
}

/// What stood where no token begins, or a token that does not end.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Unreadable {
    pub(crate) at: usize,
    pub(crate) expected: &'static str,
}

/// The token that begins at `from` or after the spaces there: where it begins, where it ends.
pub(crate) fn token(text: &str, from: usize) -> Result<(usize, Token<'_>, usize), Unreadable> {
    let at = from + (text.len() - from - text[from..].trim_start().len());
    let rest = &text[at..];
    let Some(first) = rest.chars().next() else { return Ok((at, Token::End, at)) };
    if let Some((sign, token)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
        return Ok((at, Token::Sign(token), at + sign.len()));
    }
    match first {
        '\'' => quoted(rest).map(|(inner, length)| (at, Token::Text(inner), at + length)),
        '`' => ticked(rest).map(|(inner, length)| (at, Token::Path(inner.into()), at + length)),
        '0'..='9' | '-' | '+' | '.' => {
            let length = number(rest);
            return Ok((at, Token::Number(&rest[..length]), at + length));
        }
        _ => path(rest).map(|length| {
            let word = WORDS.iter().find(|(word, _)| rest[..length].eq_ignore_ascii_case(word));
            let token = word.map_or(Token::Path(rest[..length].into()), |(_, word)| Token::Word(*word));
            (at, token, at + length)
        }),
    }
    .map_err(|expected| Unreadable { at, expected })
}

/// Whether the text is read back as this very path where it stands bare.
pub(crate) fn is_bare_path(text: &str) -> bool {
    matches!(token(text, 0), Ok((0, Token::Path(_), end)) if end == text.len() && !text.starts_with('`'))
}

/// `'...'`; a quote inside is doubled or stands behind a backslash, a backslash is doubled. A
/// backslash before anything else is itself.
fn quoted(rest: &str) -> Result<(String, usize), &'static str> {
    let mut inner = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '\'' if chars.next_if(|next| next.1 == '\'').is_some() => inner.push('\''),
            '\'' => return Ok((inner, at + 1)),
            '\\' => inner.push(chars.next_if(|next| matches!(next.1, '\'' | '\\')).map_or('\\', |next| next.1)),
            other => inner.push(other),
        }
    }
    Err("a closing ' for this string")
}

/// `` `...` ``: any path at all; a tick inside is doubled.
fn ticked(rest: &str) -> Result<(String, usize), &'static str> {
    let mut inner = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '`' if chars.next_if(|next| next.1 == '`').is_some() => inner.push('`'),
            '`' => return Ok((inner, at + 1)),
            other => inner.push(other),
        }
    }
    Err("a closing ` for this path")
}

/// Everything that could belong to a number, so that `12ab` is one wrong number and not two tokens.
fn number(rest: &str) -> usize {
    let mut before = ' ';
    rest.char_indices()
        .find(|(at, char)| {
            let sign = matches!(char, '+' | '-') && (*at == 0 || matches!(before, 'e' | 'E'));
            before = *char;
            !(sign || char.is_alphanumeric() || matches!(char, '.' | '_'))
        })
        .map_or(rest.len(), |(at, _)| at)
}

/// Keys joined by dots, bare or in double quotes.
fn path(rest: &str) -> Result<usize, &'static str> {
    let mut at = 0;
    loop {
        let key = &rest[at..];
        at += match key.strip_prefix('"') {
            Some(inside) => 2 + inside.find('"').ok_or("a closing \" for this key")?,
            None => {
                let length = key.find(|char: char| !bare(char)).unwrap_or(key.len());
                if length == 0 || (at == 0 && key.starts_with(|char: char| char.is_numeric() || char == '-')) {
                    return Err("a path, a number, a 'text', NOT or (");
                }
                length
            }
        };
        while let Some(inside) = rest[at..].strip_prefix('[') {
            let digits = inside.bytes().take_while(u8::is_ascii_digit).count();
            if !inside[digits..].starts_with(']') {
                break;
            }
            at += digits + 2;
        }
        match rest[at..].strip_prefix('.') {
            Some(_) => at += 1,
            None => return Ok(at),
        }
    }
}

fn bare(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '-' | '$' | '@')
}
