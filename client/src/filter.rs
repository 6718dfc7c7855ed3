//! Filters: what a query may ask of a payload.
//!
//! ```
//! use nigh_client::{Filter, field};
//!
//! let filter = Filter::must([field("kind").eq("news"), field("year").at_least(2020)])
//!     .or([field("tags").eq("rust"), field("tags").eq("go")])
//!     .without([field("date").is_empty()]);
//! ```

use crate::id::PointId;

/// Every `must` holds, at least one `should` where there is one, no `must_not`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Filter {
    /// All of these hold.
    pub must: Vec<Condition>,
    /// At least one of these holds, where there is one.
    pub should: Vec<Condition>,
    /// None of these holds.
    pub must_not: Vec<Condition>,
}

impl Filter {
    /// All of these hold.
    pub fn must(conditions: impl IntoIterator<Item = Condition>) -> Self {
        Self { must: conditions.into_iter().collect(), ..Self::default() }
    }

    /// At least one of these holds.
    pub fn should(conditions: impl IntoIterator<Item = Condition>) -> Self {
        Self { should: conditions.into_iter().collect(), ..Self::default() }
    }

    /// None of these holds.
    pub fn must_not(conditions: impl IntoIterator<Item = Condition>) -> Self {
        Self { must_not: conditions.into_iter().collect(), ..Self::default() }
    }

    /// And all of these hold.
    pub fn and(mut self, conditions: impl IntoIterator<Item = Condition>) -> Self {
        self.must.extend(conditions);
        self
    }

    /// And at least one of these, or of those named before, holds.
    pub fn or(mut self, conditions: impl IntoIterator<Item = Condition>) -> Self {
        self.should.extend(conditions);
        self
    }

    /// And none of these holds.
    pub fn without(mut self, conditions: impl IntoIterator<Item = Condition>) -> Self {
        self.must_not.extend(conditions);
        self
    }
}

impl From<Condition> for Filter {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::Tree(filter) => filter,
            other => Self::must([other]),
        }
    }
}

/// One condition of a filter.
#[derive(Clone, PartialEq, Debug)]
pub enum Condition {
    /// A filter inside the filter.
    Tree(Filter),
    /// A value at this payload path passes the test.
    Field(String, Test),
    /// The point's id is one of these.
    HasId(Vec<PointId>),
    /// The point has a vector of this field.
    HasVector(String),
    /// The point's id falls into this one of so many slices of all ids.
    Slice {
        /// Which one, from 0.
        index: u32,
        /// Of how many.
        total: u32,
    },
    /// At least so many of these hold.
    AtLeast(u32, Vec<Condition>),
    /// One object at this payload path passes the filter; its paths begin at the object.
    Nested(String, Filter),
}

impl From<Filter> for Condition {
    fn from(filter: Filter) -> Self {
        Self::Tree(filter)
    }
}

/// The point has a vector of this field.
pub fn has_vector(field: impl Into<String>) -> Condition {
    Condition::HasVector(field.into())
}

/// The point's id falls into this one, from 0, of so many slices: parts of a collection that stay the same, for readers
/// that share the work, or as a sample.
pub fn slice(index: u32, total: u32) -> Condition {
    Condition::Slice { index, total }
}

/// The point's id is one of these.
pub fn has_id<I: Into<PointId>>(ids: impl IntoIterator<Item = I>) -> Condition {
    Condition::HasId(ids.into_iter().map(Into::into).collect())
}

/// At least so many of these hold.
pub fn at_least(count: u32, of: impl IntoIterator<Item = Condition>) -> Condition {
    Condition::AtLeast(count, of.into_iter().collect())
}

/// What is asked of the values at a path. A list passes when one of its elements does.
#[derive(Clone, PartialEq, Debug)]
pub enum Test {
    /// Equal to one of these.
    AnyOf(Vec<Scalar>),
    /// There is a scalar, and it is none of these.
    NoneOf(Vec<Scalar>),
    /// A number in this range.
    Numbers(Range<f64>),
    /// An instant in this range; ends are RFC 3339 or YYYY-MM-DD.
    Instants(Range<String>),
    /// Absent, null or an empty list.
    Empty,
    /// There, and null.
    Null,
    /// A string that begins so.
    Prefix(String),
    /// A string that has this in it.
    Substring(String),
    /// A string with the words of this text.
    Words(String, How),
    /// An object with the numbers `lat` and `lon`, in this shape.
    Geo(Shape),
    /// So many values; lists are entered, nulls not counted.
    Count(Range<u64>),
}

/// How words have to be there.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum How {
    /// Each of them, anywhere.
    All,
    /// At least one of them.
    Any,
    /// All of them, one behind the other.
    Phrase,
    /// As a phrase, whose last word may go on.
    Prefix,
}

/// Degrees north and east.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Place {
    /// -90 to 90.
    pub lat: f64,
    /// -180 to 180.
    pub lon: f64,
}

/// What a place can be in. Lines and ends belong to it.
#[derive(Clone, PartialEq, Debug)]
pub enum Shape {
    /// Not farther from the centre than so many metres.
    Circle {
        /// The centre.
        center: Place,
        /// The radius.
        meters: f64,
    },
    /// Between two parallels and two meridians; across the 180th where the western end is the greater one.
    Box {
        /// One corner.
        south_west: Place,
        /// The other one.
        north_east: Place,
    },
    /// Inside a ring of at least three places, and in none of the holes.
    Polygon {
        /// The ring.
        outer: Vec<Place>,
        /// The holes.
        holes: Vec<Vec<Place>>,
    },
}

/// A scalar of a payload.
#[derive(Clone, PartialEq, Debug)]
pub enum Scalar {
    /// A string, compared byte by byte.
    Keyword(String),
    /// An integer.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// True or false.
    Bool(bool),
}

macro_rules! scalars {
    ($($from:ty => $variant:ident),+) => {
        $(impl From<$from> for Scalar {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })+
    };
}
scalars!(&str => Keyword, String => Keyword, i64 => Integer, i32 => Integer, u32 => Integer, f64 => Float, bool => Bool);

/// A range; an end that is left out is unbounded.
#[derive(Clone, PartialEq, Debug)]
pub struct Range<T> {
    /// Greater than.
    pub gt: Option<T>,
    /// Greater than or equal to.
    pub gte: Option<T>,
    /// Less than.
    pub lt: Option<T>,
    /// Less than or equal to.
    pub lte: Option<T>,
}

impl<T> Default for Range<T> {
    fn default() -> Self {
        Self { gt: None, gte: None, lt: None, lte: None }
    }
}

/// A payload path to ask about: keys joined by dots; lists are entered.
pub fn field(path: impl Into<String>) -> Field {
    Field { path: path.into() }
}

/// A payload path, as [`field`] gives it.
#[derive(Clone, Debug)]
pub struct Field {
    path: String,
}

impl Field {
    /// Passes this test.
    pub fn test(self, test: Test) -> Condition {
        Condition::Field(self.path, test)
    }

    /// Equal to this.
    pub fn eq(self, value: impl Into<Scalar>) -> Condition {
        self.test(Test::AnyOf(vec![value.into()]))
    }

    /// Equal to one of these.
    pub fn any_of<S: Into<Scalar>>(self, values: impl IntoIterator<Item = S>) -> Condition {
        self.test(Test::AnyOf(values.into_iter().map(Into::into).collect()))
    }

    /// There is a scalar, and it is none of these.
    pub fn none_of<S: Into<Scalar>>(self, values: impl IntoIterator<Item = S>) -> Condition {
        self.test(Test::NoneOf(values.into_iter().map(Into::into).collect()))
    }

    /// A number greater than this.
    pub fn above(self, end: impl Into<f64>) -> Condition {
        self.numbers(Range { gt: Some(end.into()), ..Range::default() })
    }

    /// A number greater than or equal to this.
    pub fn at_least(self, end: impl Into<f64>) -> Condition {
        self.numbers(Range { gte: Some(end.into()), ..Range::default() })
    }

    /// A number less than this.
    pub fn below(self, end: impl Into<f64>) -> Condition {
        self.numbers(Range { lt: Some(end.into()), ..Range::default() })
    }

    /// A number less than or equal to this.
    pub fn at_most(self, end: impl Into<f64>) -> Condition {
        self.numbers(Range { lte: Some(end.into()), ..Range::default() })
    }

    /// A number in this range.
    pub fn numbers(self, range: Range<f64>) -> Condition {
        self.test(Test::Numbers(range))
    }

    /// An instant at or after this one (RFC 3339 or YYYY-MM-DD).
    pub fn since(self, start: impl Into<String>) -> Condition {
        self.instants(Range { gte: Some(start.into()), ..Range::default() })
    }

    /// An instant before this one (RFC 3339 or YYYY-MM-DD).
    pub fn before(self, end: impl Into<String>) -> Condition {
        self.instants(Range { lt: Some(end.into()), ..Range::default() })
    }

    /// An instant in this range.
    pub fn instants(self, range: Range<String>) -> Condition {
        self.test(Test::Instants(range))
    }

    /// A string that begins so.
    pub fn starts_with(self, prefix: impl Into<String>) -> Condition {
        self.test(Test::Prefix(prefix.into()))
    }

    /// A string that has this in it.
    pub fn substring(self, part: impl Into<String>) -> Condition {
        self.test(Test::Substring(part.into()))
    }

    /// A string with the words of this text: runs of letters and digits, in any case.
    pub fn words(self, text: impl Into<String>, how: How) -> Condition {
        self.test(Test::Words(text.into(), how))
    }

    /// A place not farther than so many metres from these degrees.
    pub fn near(self, lat: f64, lon: f64, meters: f64) -> Condition {
        self.within(Shape::Circle { center: Place { lat, lon }, meters })
    }

    /// A place in this shape.
    pub fn within(self, shape: Shape) -> Condition {
        self.test(Test::Geo(shape))
    }

    /// So many values; lists are entered, nulls not counted.
    pub fn count(self, range: Range<u64>) -> Condition {
        self.test(Test::Count(range))
    }

    /// One object here passes the filter; its paths begin at the object.
    pub fn has(self, filter: impl Into<Filter>) -> Condition {
        Condition::Nested(self.path, filter.into())
    }

    /// Absent, null or an empty list.
    pub fn is_empty(self) -> Condition {
        self.test(Test::Empty)
    }

    /// There, and null.
    pub fn is_null(self) -> Condition {
        self.test(Test::Null)
    }
}
