//! Filters as people write them.
//!
//! ```text
//! category = 'rag' AND year >= 2020 AND NOT tags IN ('draft') OR ("a.b".c != 3)
//!
//! filter    = all { OR all }
//! all       = term { AND term }
//! term      = { NOT } ( "(" filter ")" | TRUE | FALSE | HAS_ID "(" ids ")" | question )
//! question  = path ( = | != | < | <= | > | >= ) value      a range compares numbers or 'dates'
//!           | path [NOT] IN "(" values ")"
//!           | path [NOT] BETWEEN value AND value           both ends are inside
//!           | path IS [NOT] ( NULL | EMPTY )
//!           | value ( < | <= | > | >= ) path [ ( < | <= | > | >= ) value ]
//!           | path STARTS WITH 'text' | path CONTAINS ( ALL | ANY | PHRASE | PREFIX ) 'words'
//!           | path CONTAINS SUBSTRING 'text'
//!           | path WITHIN metres OF "(" lat "," lon ")" | path WITHIN BOX "(" south "," west "," north "," east ")"
//!           | path WITHIN POLYGON "(" ring { "," ring } ")"      ring = "(" lat "," lon { "," lat "," lon } ")"
//!           | COUNT "(" path ")" ( = | < | <= | > | >= ) number | COUNT "(" path ")" BETWEEN number AND number
//!           | path HAS "(" filter ")"      one object at the path passes it
//!           | AT_LEAST "(" number { "," filter } ")"
//!           | HAS_VECTOR "(" text ")" | SLICE "(" number OF number ")"
//! value     = 12 | -1.5e3 | 'text, with '' or \' for a quote' | TRUE | FALSE
//! path      = key { "." key }, a key bare or in double quotes, behind it perhaps [] or the place of one element of
//!             a list, [0]; any path at all in `ticks`
//! ```
//!
//! A list passes a question when one of its elements does, so `tags != 'draft'` and `tags NOT IN
//! ('draft')` ask for a tag that is something else, while `NOT tags = 'draft'` asks that no tag is
//! it, and holds where there are no tags. `IS NOT NULL` holds where the field is absent; `IS NOT
//! EMPTY` does not. Both ends of `1 <= x < 5` are met by one element.

use crate::error::{Error, Result};
use crate::filter::condition::{Bounds, Condition, Range, Scalar, Test};
use crate::filter::datetime;
use crate::filter::eval::{DEPTH_MAX, check};
use crate::filter::lexer::{Token, Word, token};
use crate::id::PointId;
use crate::value::Path;

/// A filter's text has at most this many bytes.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// Reads a filter; an error names the column and what was expected there.
pub fn parse(text: &str) -> Result<Condition> {
    if text.len() > TEXT_BYTES_MAX {
        let limit = format!("a filter's text has at most {TEXT_BYTES_MAX} bytes");
        return Err(Error::invalid("filter length", format!("{} bytes", text.len()), limit));
    }
    let mut parser = Parser { text, at: 0, end: 0, next: Token::End, depth: 0 };
    parser.step()?;
    let condition = parser.filter()?;
    if parser.next != Token::End {
        return Err(parser.expected("AND, OR or the end"));
    }
    check(&condition)?;
    Ok(condition)
}

mod phrases;

struct Parser<'t> {
    text: &'t str,
    /// The token that comes next, where it begins and where it ends.
    next: Token<'t>,
    at: usize,
    end: usize,
    /// Parentheses that are open.
    depth: usize,
}

/// One end of a range.
#[derive(Copy, Clone)]
enum End {
    Number(f64),
    Instant(i64),
}

impl<'t> Parser<'t> {
    fn filter(&mut self) -> Result<Condition> {
        let mut any = vec![self.all()?];
        while self.word(Word::Or)? {
            any.push(self.all()?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Condition::any(any) })
    }

    fn all(&mut self) -> Result<Condition> {
        let (mut must, mut must_not) = (Vec::new(), Vec::new());
        loop {
            let (negated, condition) = self.term()?;
            if negated {
                must_not.push(condition)
            } else {
                must.push(condition)
            }
            if !self.word(Word::And)? {
                break;
            }
        }
        if must.len() == 1 && must_not.is_empty() {
            return Ok(must.remove(0));
        }
        Ok(Condition::Tree { must, should: Vec::new(), must_not })
    }

    /// A condition, and whether it is negated.
    fn term(&mut self) -> Result<(bool, Condition)> {
        let mut negated = false;
        while self.word(Word::Not)? {
            negated = !negated;
        }
        let (inner, condition) = match self.next {
            Token::Sign("(") => (false, self.parenthesis()?),
            Token::Word(Word::True) => (false, self.step().map(|_| Condition::always())?),
            Token::Word(Word::False) => (true, self.step().map(|_| Condition::always())?),
            Token::Word(Word::HasId) => {
                self.step()?;
                (false, Condition::HasId(self.list(Self::id)?))
            }
            Token::Path(_) if self.calls("COUNT") => (false, self.counted()?),
            Token::Path(_) if self.calls("HAS_VECTOR") => (false, self.has_vector()?),
            Token::Path(_) if self.calls("SLICE") => (false, self.slice()?),
            Token::Path(_) if self.calls("AT_LEAST") => (false, self.at_least()?),
            Token::Path(_) => self.question()?,
            Token::Number(_) | Token::Text(_) => (false, self.enclosed()?),
            _ => return Err(self.expected("a path, a value, NOT, HAS_ID or (")),
        };
        Ok((negated != inner, condition))
    }

    /// Takes the parenthesis that comes next.
    fn enter(&mut self) -> Result<()> {
        if self.depth == DEPTH_MAX {
            return Err(self.expected(&format!("at most {DEPTH_MAX} open parentheses")));
        }
        self.depth += 1;
        self.step()
    }

    fn parenthesis(&mut self) -> Result<Condition> {
        self.enter()?;
        let condition = self.filter()?;
        self.sign(")", "AND, OR or )")?;
        self.depth -= 1;
        Ok(condition)
    }

    /// What is asked of the path that comes next, and whether it is negated.
    fn question(&mut self) -> Result<(bool, Condition)> {
        let path = self.path()?;
        if let Some(condition) = self.phrase(&path)? {
            return Ok((false, condition));
        }
        if self.word(Word::Is)? {
            let negated = self.word(Word::Not)?;
            let test = if self.word(Word::Null)? {
                Test::Null
            } else if self.word(Word::Empty)? {
                Test::Empty
            } else {
                return Err(self.expected("NULL, EMPTY or NOT"));
            };
            return Ok((negated, Condition::field(path, test)));
        }
        let negated = self.word(Word::Not)?;
        if self.word(Word::In)? {
            let values = self.list(Self::value)?;
            let test = if negated { Test::NoneOf(values) } else { Test::AnyOf(values) };
            return Ok((false, Condition::field(path, test)));
        }
        if self.word(Word::Between)? {
            let lower = self.end()?;
            if !self.word(Word::And)? {
                return Err(self.expected("AND and the upper end"));
            }
            let range = self.range(Some((">=", lower)), Some("<="))?;
            return Ok((negated, Condition::field(path, Test::Range(range))));
        }
        if negated {
            return Err(self.expected("IN or BETWEEN"));
        }
        let Token::Sign(sign @ ("=" | "!=" | "<" | "<=" | ">" | ">=")) = self.next else {
            return Err(self.expected("=, !=, <, <=, >, >=, IN, BETWEEN, IS, STARTS, CONTAINS, WITHIN or HAS"));
        };
        self.step()?;
        let test = match sign {
            "=" => Test::AnyOf(vec![self.value()?]),
            "!=" => Test::NoneOf(vec![self.value()?]),
            _ => Test::Range(self.range(None, Some(sign))?),
        };
        Ok((false, Condition::field(path, test)))
    }

    /// `1 < x`, `1 < x <= 5`, `5 >= x > 1`.
    fn enclosed(&mut self) -> Result<Condition> {
        let first = self.end()?;
        let Token::Sign(sign @ ("<" | "<=" | ">" | ">=")) = self.next else {
            return Err(self.expected("<, <=, > or >= between a value and a path"));
        };
        self.step()?;
        let Token::Path(_) = self.next else { return Err(self.expected("a path")) };
        let path = self.path()?;
        let turned = match sign {
            "<" => ">",
            "<=" => ">=",
            ">" => "<",
            _ => "<=",
        };
        let second = match self.next {
            Token::Sign(second @ ("<" | "<=" | ">" | ">=")) if second.starts_with(&sign[..1]) => Some(second),
            Token::Sign("<" | "<=" | ">" | ">=") => {
                return Err(self.expected("a sign that points the same way as the one before"));
            }
            _ => None,
        };
        if second.is_some() {
            self.step()?;
        }
        Ok(Condition::field(path, Test::Range(self.range(Some((turned, first)), second)?)))
    }

    /// A range of one end that was read, or of one that comes next, or of both.
    fn range(&mut self, first: Option<(&str, End)>, second: Option<&str>) -> Result<Range> {
        let (mut numbers, mut instants) = (Bounds::default(), Bounds::default());
        let mut number = true;
        let mut set = |sign: &str, end: End| match end {
            End::Number(end) => *side(&mut numbers, sign) = Some(end),
            End::Instant(end) => {
                number = false;
                *side(&mut instants, sign) = Some(end);
            }
        };
        if let Some((sign, end)) = first {
            set(sign, end);
        }
        if let Some(sign) = second {
            let same = match (first, &self.next) {
                (Some((_, End::Number(_))), Token::Text(_)) => Err("a number, like the other end"),
                (Some((_, End::Instant(_))), Token::Number(_)) => Err("a date, like the other end"),
                _ => Ok(()),
            };
            same.map_err(|expected| self.expected(expected))?;
            set(sign, self.end()?);
        }
        Ok(if number { Range::Number(numbers) } else { Range::Datetime(instants) })
    }

    fn end(&mut self) -> Result<End> {
        const EXPECTED: &str = "a number or a date like '2020-01-31' or '2020-01-31T12:00:00Z'";
        let end = match &self.next {
            Token::Number(digits) => match number(digits) {
                Some(Scalar::Integer(integer)) => match integer as f64 {
                    // The ends of a range are floats; one that was rounded would be another range.
                    float if float as i128 == i128::from(integer) => End::Number(float),
                    _ => return Err(self.expected("an end that a 64-bit float holds exactly")),
                },
                Some(Scalar::Float(float)) => End::Number(float),
                _ => return Err(self.expected(EXPECTED)),
            },
            Token::Text(text) => End::Instant(datetime::micros(text).ok_or_else(|| self.expected(EXPECTED))?),
            _ => return Err(self.expected(EXPECTED)),
        };
        self.step()?;
        Ok(end)
    }

    fn value(&mut self) -> Result<Scalar> {
        let value = match &mut self.next {
            Token::Text(text) => Some(Scalar::Keyword(std::mem::take(text))),
            Token::Number(digits) => number(digits),
            Token::Word(Word::True) => Some(Scalar::Bool(true)),
            Token::Word(Word::False) => Some(Scalar::Bool(false)),
            _ => None,
        };
        let value = value.ok_or_else(|| self.expected("a number of 64 bits, a 'text', TRUE or FALSE"))?;
        self.step()?;
        Ok(value)
    }

    fn id(&mut self) -> Result<PointId> {
        let id = match &self.next {
            Token::Number(digits) => digits.parse().map(PointId::Num).ok(),
            Token::Text(text) => text.parse().ok(),
            _ => None,
        };
        let id = id.ok_or_else(|| self.expected("an id: an unsigned number or a quoted UUID"))?;
        self.step()?;
        Ok(id)
    }

    /// `(item, item)`, also of no item.
    fn list<T>(&mut self, item: fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.sign("(", "(")?;
        let mut items = Vec::new();
        if self.next != Token::Sign(")") {
            items.push(item(self)?);
            while self.next == Token::Sign(",") {
                self.step()?;
                items.push(item(self)?);
            }
        }
        self.sign(")", ", or )")?;
        Ok(items)
    }

    fn path(&mut self) -> Result<Path> {
        let Token::Path(text) = &self.next else { return Err(self.expected("a path")) };
        let path = Path::parse(text).map_err(|_| self.expected("a path of at most 32 keys, none of them empty"))?;
        self.step()?;
        Ok(path)
    }

    /// Takes the word, where it comes next; whether it did.
    fn word(&mut self, word: Word) -> Result<bool> {
        let found = self.next == Token::Word(word);
        if found {
            self.step()?;
        }
        Ok(found)
    }

    fn sign(&mut self, sign: &'static str, expected: &str) -> Result<()> {
        if self.next != Token::Sign(sign) {
            return Err(self.expected(expected));
        }
        self.step()
    }

    fn step(&mut self) -> Result<()> {
        let read = token(self.text, self.end);
        let (at, next, end) = read.map_err(|unreadable| {
            let found = self.text[unreadable.at..].chars().next();
            self.wrong(unreadable.at, unreadable.expected, &found.map_or(String::new(), |found| format!("`{found}`")))
        })?;
        (self.at, self.next, self.end) = (at, next, end);
        Ok(())
    }

    fn expected(&self, expected: &str) -> Error {
        let found = match &self.next {
            Token::End => "the end".to_owned(),
            _ => format!("`{}`", shortened(&self.text[self.at..self.end], 0)),
        };
        self.wrong(self.at, expected, &found)
    }

    fn wrong(&self, at: usize, expected: &str, found: &str) -> Error {
        let column = self.text[..at].chars().count();
        let limit = format!("at column {}, expected {expected}, found {found}", column + 1);
        Error::invalid("filter", format!("`{}`", shortened(self.text, column)), limit)
    }
}

fn side<'b, T>(bounds: &'b mut Bounds<T>, sign: &str) -> &'b mut Option<T> {
    match sign {
        ">" => &mut bounds.gt,
        ">=" => &mut bounds.gte,
        "<" => &mut bounds.lt,
        _ => &mut bounds.lte,
    }
}

/// An integer of 64 bits, or a finite float where there is a point or an exponent.
fn number(digits: &str) -> Option<Scalar> {
    if !digits.contains(['.', 'e', 'E']) {
        return digits.parse().map(Scalar::Integer).ok();
    }
    let numeric = digits.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let float = digits.parse::<f64>().ok().filter(|float| numeric && float.is_finite());
    float.map(Scalar::Float)
}

/// The neighbourhood of a column, where the text is long.
fn shortened(text: &str, column: usize) -> String {
    const CHARS_MAX: usize = 80;
    let from = if text.chars().count() <= CHARS_MAX { 0 } else { column.saturating_sub(CHARS_MAX / 2) };
    let mut short: String = text.chars().skip(from).take(CHARS_MAX).collect();
    if text.chars().nth(from + CHARS_MAX).is_some() {
        short.push('…');
    }
    if from > 0 { format!("…{short}") } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::agree::{condition, payload};
    use crate::filter::eval::holds;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Which of the payloads match.
    fn check(text: &str, payloads: &[Value], expected: &[usize]) {
        let condition = parse(text).unwrap_or_else(|err| panic!("{text}: {err}"));
        let matches: Vec<usize> =
            (0..payloads.len()).filter(|at| holds(&condition, &PointId::Num(*at as u64), &payloads[*at])).collect();
        assert_eq!(matches, expected, "{text}");
    }

    fn says(text: &str, expected: &str) {
        let err = parse(text).expect_err(text).to_string();
        assert!(err.contains(expected), "{text}\n  says     {err}\n  expected {expected}");
    }

    #[test]
    fn filters_mean_what_they_say() {
        let payloads = [
            json!({"category": "rag", "year": 2021, "tags": ["a", "draft"], "a": {"b": 3}, "ok": true}),
            json!({"category": "rag", "year": 2019, "tags": ["draft"], "a": {"b": 4}, "ok": false}),
            json!({"category": "it's", "year": 2020.5, "tags": [], "date": "2020-06-01", "x": null}),
            json!({"category": "o\\k", "a.b": 7, "in": 1, "date": "2020-06-01T12:00:00Z", "tags": ["b"]}),
        ];
        for (text, expected) in [
            ("category = 'rag'", &[0, 1][..]),
            ("category == 'rag' AND year >= 2020", &[0]),
            ("category = 'it''s' or category = 'it\\'s'", &[2]),
            ("category = 'o\\\\k'", &[3]),
            ("category = 'o\\k'", &[3]),
            ("category IN ('rag', 'it''s')", &[0, 1, 2]),
            ("category IN ()", &[]),
            ("NOT tags IN ('draft')", &[2, 3]),
            ("tags NOT IN ('draft')", &[0, 3]),
            ("tags != 'draft'", &[0, 3]),
            ("a.b != 3", &[1]),
            ("(a.b != 3) OR \"a.b\" = 7", &[1, 3]),
            ("`\"a.b\"` = 7 AND \"in\" = 1", &[3]),
            ("year BETWEEN 2019 AND 2020.5", &[1, 2]),
            ("year NOT BETWEEN 2019 AND 2020.5", &[0, 3]),
            ("2019 < year <= 2020.5", &[2]),
            ("2020.5 >= year > 2019", &[2]),
            ("2020 < year", &[0, 2]),
            ("date > '2020-06-01'", &[3]),
            ("date >= '2020-06-01' AND date < '2020-06-01T12:00:00Z'", &[2]),
            ("date BETWEEN '2020-06-01' AND '2020-06-01T14:00:00+02:00'", &[2, 3]),
            ("x IS NULL", &[2]),
            ("x IS NOT NULL", &[0, 1, 3]),
            ("tags IS EMPTY", &[2]),
            ("tags is not empty", &[0, 1, 3]),
            ("ok = TRUE", &[0]),
            ("ok = false", &[1]),
            ("HAS_ID(1, '3', '00000000-0000-0000-0000-000000000001')", &[1, 3]),
            ("TRUE", &[0, 1, 2, 3]),
            ("FALSE OR NOT NOT year = 2019", &[1]),
            ("NOT FALSE AND NOT (year > 0 OR tags = 'b')", &[]),
            ("year > 2020 AND category = 'rag' OR tags = 'b'", &[0, 3]),
            ("tags[] = 'b'", &[3]),
            ("year > -1e3 AND year < +2020", &[1]),
        ] {
            check(text, &payloads, expected);
        }
    }

    #[test]
    fn an_error_points_at_its_column() {
        says("", "at column 1, expected a path, a value, NOT, HAS_ID or (, found the end");
        says("year >=", "at column 8, expected a number or a date");
        says("year >= 'soon'", "at column 9, expected a number or a date like '2020-01-31'");
        says("grün = 'x' und y = 2", "at column 12, expected AND, OR or the end, found `und`");
        says("(a = 1", "at column 7, expected AND, OR or ), found the end");
        says("a IN (1 2)", "at column 9, expected , or ), found `2`");
        says("a = 'x", "at column 5, expected a closing ' for this string");
        says("\"a = 1", "at column 1, expected a closing \" for this key");
        says("a = b", "at column 5, expected a number of 64 bits, a 'text', TRUE or FALSE, found `b`");
        says("a = 9223372036854775808", "at column 5, expected a number of 64 bits");
        says("a = 1x", "found `1x`");
        says("a = 1e999", "found `1e999`");
        says("a > 9007199254740993", "at column 5, expected an end that a 64-bit float holds exactly");
        says("a NOT = 1", "at column 7, expected IN or BETWEEN");
        says("a IS 1", "at column 6, expected NULL, EMPTY or NOT");
        says("1 < a > 2", "at column 7, expected a sign that points the same way");
        says("1 < a < '2020-01-01'", "at column 9, expected a number, like the other end");
        says("a BETWEEN '2020-01-01' AND 3", "at column 28, expected a date, like the other end");
        says("a[x] = 1", "at column 2, expected a path");
        says("a. = 1", "expected a path");
        says("a ; b", "at column 3, expected a path, a number, a 'text', NOT or (, found `;`");
        says("HAS_ID(-1)", "at column 8, expected an id");
        says("HAS_ID('x')", "at column 8, expected an id");
        says(&format!("a = 1 AND {} AND ?", vec!["b = 2"; 50].join(" AND ")), "filter is `…");
    }

    #[test]
    fn nothing_overflows() {
        says(&"(".repeat(100_000), "at most 32 open parentheses");
        says(&"NOT ".repeat(100_000), "found the end");
        says(&format!("{}a = 1{}", "NOT (b = 1 OR (".repeat(16), "))".repeat(16)), "filter depth");
        says(&vec!["a = 1"; 5000].join(" OR "), "at most 4096 conditions");
        says(&" ".repeat(TEXT_BYTES_MAX + 1), "filter length");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(condition in condition(), payload in payload(), id in 0u64..60) {
            // What no request may ask (NaN) need not be written.
            prop_assume!(crate::filter::eval::check(&condition).is_ok());
            let text = condition.to_string();
            let read = parse(&text).unwrap();
            let id = PointId::Num(id);
            prop_assert_eq!(holds(&read, &id, &payload), holds(&condition, &id, &payload), "{}", text);
            // What was read once keeps its very shape.
            prop_assert_eq!(parse(&read.to_string()).unwrap(), read, "{}", text);
        }

        #[test]
        fn any_path_and_any_text_are_read_back(path in "\\PC{1,12}", text in "\\PC{0,12}|['\\\\]{0,6}") {
            if let Ok(path) = Path::parse(&path) {
                let condition = Condition::field(path, Test::AnyOf(vec![Scalar::Keyword(text)]));
                prop_assert_eq!(parse(&condition.to_string()).unwrap(), condition);
            }
        }

        #[test]
        fn nonsense_is_an_error_not_a_panic(text in "(\\PC|[a-c0-9 .'\"`()<>=!,]|AND |OR |NOT |IN|IS |BETWEEN ){0,20}") {
            if let Ok(condition) = parse(&text) {
                prop_assert_eq!(parse(&condition.to_string()).unwrap(), condition);
            }
        }
    }
}
