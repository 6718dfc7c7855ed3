//! Questions that are words rather than signs. Their words are no reserved ones: a field may be called
//! `count` or `within`.

use super::{Parser, number};
use crate::error::Result;
use crate::filter::condition::{Bounds, Condition, Scalar, Test};
use crate::filter::geo::{Place, Ring, Shape};
use crate::filter::lexer::{Token, Word, token};
use crate::filter::slice::Slice;
use crate::filter::words::{How, Words};
use crate::value::Path;

impl Parser<'_> {
    /// Whether this name comes next, and a parenthesis behind it.
    pub(super) fn calls(&self, name: &str) -> bool {
        self.is_next(name) && matches!(token(self.text, self.end), Ok((_, Token::Sign("("), _)))
    }

    fn is_next(&self, name: &str) -> bool {
        matches!(self.next, Token::Path(_)) && self.text[self.at..self.end].eq_ignore_ascii_case(name)
    }

    fn takes(&mut self, name: &str) -> Result<bool> {
        let found = self.is_next(name);
        if found {
            self.step()?;
        }
        Ok(found)
    }

    /// What is asked of the path in words, where something is.
    pub(super) fn phrase(&mut self, path: &Path) -> Result<Option<Condition>> {
        if self.takes("HAS")? {
            if self.next != Token::Sign("(") {
                return Err(self.expected("( and what one object has to pass"));
            }
            let condition = Box::new(self.parenthesis()?);
            return Ok(Some(Condition::Nested { path: path.clone(), condition }));
        }
        let test = if self.takes("STARTS")? {
            if !self.takes("WITH")? {
                return Err(self.expected("WITH"));
            }
            Test::Prefix(self.quoted()?)
        } else if self.takes("CONTAINS")? {
            if self.takes("SUBSTRING")? {
                return Ok(Some(Condition::field(path.clone(), Test::Substring(self.quoted()?))));
            }
            let all = [("ALL", How::All), ("ANY", How::Any), ("PHRASE", How::Phrase), ("PREFIX", How::Prefix)];
            let Some((_, how)) = all.into_iter().find(|(name, _)| self.is_next(name)) else {
                return Err(self.expected("ALL, ANY, PHRASE, PREFIX or SUBSTRING"));
            };
            self.step()?;
            Test::Words(Words::new(&self.quoted()?, how))
        } else if self.takes("WITHIN")? {
            Test::Geo(self.shape()?)
        } else {
            return Ok(None);
        };
        Ok(Some(Condition::field(path.clone(), test)))
    }

    fn quoted(&mut self) -> Result<String> {
        let Token::Text(text) = &mut self.next else { return Err(self.expected("a 'text'")) };
        let text = std::mem::take(text);
        self.step()?;
        Ok(text)
    }

    fn shape(&mut self) -> Result<Shape> {
        if self.takes("BOX")? {
            let ends = self.list(Self::float)?;
            let [south, west, north, east] = ends[..] else {
                return Err(self.expected("BOX (south, west, north, east) before this"));
            };
            return Ok(Shape::Box { south, west, north, east });
        }
        if self.takes("POLYGON")? {
            let mut rings = self.list(Self::ring)?;
            if rings.is_empty() {
                return Err(self.expected("POLYGON ((lat, lon, ...), ...) before this"));
            }
            let outer = rings.remove(0);
            return Ok(Shape::Polygon { outer, holes: rings });
        }
        let meters = self.float()?;
        if !self.takes("OF")? {
            return Err(self.expected("OF and the centre"));
        }
        let center = self.list(Self::float)?;
        let [lat, lon] = center[..] else { return Err(self.expected("OF (lat, lon) before this")) };
        Ok(Shape::Circle { center: Place { lat, lon }, meters })
    }

    fn ring(&mut self) -> Result<Ring> {
        let degrees = self.list(Self::float)?;
        if degrees.len() % 2 == 1 {
            return Err(self.expected("a longitude for every latitude before this"));
        }
        Ok(degrees.chunks_exact(2).map(|pair| Place { lat: pair[0], lon: pair[1] }).collect())
    }

    fn float(&mut self) -> Result<f64> {
        let Token::Number(digits) = self.next else { return Err(self.expected("a number")) };
        let float = match number(digits) {
            Some(Scalar::Integer(integer)) => integer as f64,
            Some(Scalar::Float(float)) => float,
            _ => return Err(self.expected("a number")),
        };
        self.step()?;
        Ok(float)
    }

    fn natural(&mut self) -> Result<u64> {
        let Token::Number(digits) = self.next else { return Err(self.expected("a number from 0")) };
        let Ok(natural) = digits.parse() else { return Err(self.expected("a number from 0")) };
        self.step()?;
        Ok(natural)
    }

    /// `COUNT(path) >= 2`, `COUNT(path) BETWEEN 1 AND 3`.
    pub(super) fn counted(&mut self) -> Result<Condition> {
        self.step()?;
        self.sign("(", "(")?;
        let path = self.path()?;
        self.sign(")", ")")?;
        let mut bounds = Bounds::default();
        if self.word(Word::Between)? {
            bounds.gte = Some(self.natural()?);
            if !self.word(Word::And)? {
                return Err(self.expected("AND and the upper end"));
            }
            bounds.lte = Some(self.natural()?);
        } else {
            let Token::Sign(sign @ ("=" | "<" | "<=" | ">" | ">=")) = self.next else {
                return Err(self.expected("=, <, <=, >, >= or BETWEEN"));
            };
            self.step()?;
            let count = Some(self.natural()?);
            match sign {
                "=" => (bounds.gte, bounds.lte) = (count, count),
                _ => *super::side(&mut bounds, sign) = count,
            }
        }
        Ok(Condition::field(path, Test::Count(bounds)))
    }

    /// `HAS_VECTOR('e')`.
    pub(super) fn has_vector(&mut self) -> Result<Condition> {
        self.step()?;
        self.sign("(", "(")?;
        let name = self.quoted()?;
        self.sign(")", ")")?;
        Ok(Condition::HasVector(name))
    }

    /// `SLICE(0 OF 4)`: the first of four.
    pub(super) fn slice(&mut self) -> Result<Condition> {
        self.step()?;
        self.sign("(", "(")?;
        let index = self.small()?;
        if !self.takes("OF")? {
            return Err(self.expected("OF and how many slices there are"));
        }
        let total = self.small()?;
        self.sign(")", ")")?;
        Ok(Condition::Slice(Slice { index, total }))
    }

    fn small(&mut self) -> Result<u32> {
        let Token::Number(digits) = self.next else { return Err(self.expected("a number from 0")) };
        let Ok(small) = digits.parse() else { return Err(self.expected("a number from 0, of 32 bits")) };
        self.step()?;
        Ok(small)
    }

    /// `AT_LEAST(2, filter, filter, filter)`: so many of the conditions behind the number.
    pub(super) fn at_least(&mut self) -> Result<Condition> {
        self.step()?;
        if self.next != Token::Sign("(") {
            return Err(self.expected("("));
        }
        self.enter()?;
        let count = self.natural()? as usize;
        let mut of = Vec::new();
        while self.next == Token::Sign(",") {
            self.step()?;
            of.push(self.filter()?);
        }
        self.sign(")", ", or )")?;
        self.depth -= 1;
        Ok(Condition::AtLeast { count, of })
    }
}

#[cfg(test)]
mod tests {
    use crate::filter::eval::holds;
    use crate::filter::parse::parse;
    use crate::id::PointId;
    use serde_json::json;

    #[test]
    fn words_ask_what_they_say() {
        let payload = json!({
            "title": "A quick brown fox", "count": 3, "within": 1, "tags": ["a", null, "b"],
            "home": {"lat": 52.52, "lon": 13.405}, "authors": [{"name": "ada", "age": 30}, {"name": "bob", "age": 50}]
        });
        for (text, expected) in [
            ("title STARTS WITH 'A qu'", true),
            ("title starts with 'a qu'", false),
            ("title CONTAINS ALL 'fox QUICK'", true),
            ("title CONTAINS ANY 'dog fox'", true),
            ("title CONTAINS PHRASE 'brown fox'", true),
            ("NOT title CONTAINS PREFIX 'quick bro'", false),
            ("home WITHIN 900_000 OF (48.8566, 2.3522)", false),
            ("home WITHIN 900000 OF (48.8566, 2.3522)", true),
            ("home WITHIN 8e5 OF (48.8566, 2.3522)", false),
            ("home WITHIN BOX (52, 13, 53, 14)", true),
            ("home WITHIN POLYGON ((52, 13, 52, 14, 53, 14, 53, 13))", true),
            ("home WITHIN POLYGON ((52, 13, 52, 14, 53, 14, 53, 13), (52.4, 13.3, 52.4, 13.5, 52.6, 13.4))", false),
            ("COUNT(tags) = 2 AND count(tags) BETWEEN 1 AND 2 AND COUNT(nothing) < 1", true),
            ("COUNT(tags) > 2", false),
            ("count = 3 AND within = 1 AND `count` > 2", true),
            ("authors HAS (name = 'ada' AND age < 40)", true),
            ("authors HAS (name = 'ada' AND age > 40)", false),
            ("authors.name = 'ada' AND authors.age > 40", true),
            ("AT_LEAST(2, count = 3, count = 4, within = 1 OR count = 9)", true),
            ("AT_LEAST(3, count = 3, count = 4, within = 1)", false),
            ("AT_LEAST(0)", true),
            ("title CONTAINS SUBSTRING 'ck bro' AND NOT title CONTAINS SUBSTRING 'CK'", true),
            ("authors[1].name = 'bob' AND tags[2] = 'b'", true),
            ("authors[0].name = 'bob' OR tags[1] = 'b' OR title[0] = 'A quick brown fox'", false),
            ("SLICE(0 OF 1) AND (SLICE(0 OF 3) OR SLICE(1 OF 3) OR SLICE(2 OF 3))", true),
            ("SLICE(0 OF 2) AND SLICE(1 OF 2)", false),
        ] {
            match parse(text) {
                Ok(condition) => assert_eq!(holds(&condition, &PointId::Num(0), &payload), expected, "{text}"),
                Err(err) => assert!(!expected, "{text}: {err}"),
            }
        }
    }

    #[test]
    fn a_mistake_is_pointed_at() {
        for (text, expected) in [
            ("a STARTS 'x'", "at column 10, expected WITH"),
            ("a CONTAINS 'x'", "at column 12, expected ALL, ANY, PHRASE, PREFIX or SUBSTRING"),
            ("SLICE(1, 2)", "at column 8, expected OF and how many slices there are"),
            ("SLICE(2 OF 2)", "slice is 2 of 2; slices are counted from 0"),
            ("SLICE(0 OF 4294967296)", "at column 12, expected a number from 0, of 32 bits"),
            ("a HAS (SLICE(0 OF 2))", "slices are of points"),
            ("a CONTAINS ALL 1", "at column 16, expected a 'text'"),
            ("a WITHIN 5 (1, 2)", "at column 12, expected OF and the centre"),
            ("a WITHIN BOX (1, 2, 3)", "expected BOX (south, west, north, east) before this"),
            ("a WITHIN BOX (3, 2, 1, 4)", "a is a box from 3, 2 to 1, 4"),
            ("a WITHIN 5 OF (95, 0)", "latitudes are -90 to 90"),
            ("a WITHIN POLYGON ((1, 2, 3))", "a longitude for every latitude"),
            ("a WITHIN POLYGON ((1, 2, 3, 4))", "a ring has at least 3 places"),
            ("COUNT(a) >= -1", "at column 13, expected a number from 0"),
            ("COUNT(a) != 1", "expected =, <, <=, >, >= or BETWEEN"),
            ("a HAS b = 1", "at column 7, expected ( and what one object has to pass"),
            ("a HAS (HAS_ID(1))", "ids are asked of points"),
            ("AT_LEAST(x, a = 1)", "at column 10, expected a number from 0"),
        ] {
            let err = parse(text).expect_err(text).to_string();
            assert!(err.contains(expected), "{text}\n  says     {err}\n  expected {expected}");
        }
    }
}
