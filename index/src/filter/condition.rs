//! The filter tree: what a query may ask of a payload.

use crate::filter::geo::Shape;
use crate::filter::slice::Slice;
use crate::filter::words::Words;
use crate::id::PointId;
use crate::value::Path;
use std::borrow::Cow;

/// A condition on a point. A condition on an absent field does not hold, other than [`Test::Empty`].
#[derive(Clone, PartialEq, Debug)]
pub enum Condition {
    /// Every `must` holds, at least one `should` holds where there is one, no `must_not` holds.
    Tree {
        /// All of these hold.
        must: Vec<Condition>,
        /// At least one of these holds, where there is one.
        should: Vec<Condition>,
        /// None of these holds.
        must_not: Vec<Condition>,
    },
    /// A value that the path reaches passes the test.
    Field {
        /// Where to look.
        path: Path,
        /// What to ask.
        test: Test,
    },
    /// The point's id is one of these.
    HasId(Vec<PointId>),
    /// The point has a vector of the field of this name.
    HasVector(String),
    /// The point's id falls into this slice of all ids.
    Slice(Slice),
    /// At least so many of these hold.
    AtLeast {
        /// How many; 0 holds for every point.
        count: usize,
        /// Of which.
        of: Vec<Condition>,
    },
    /// One value that the path reaches, an object, passes the whole condition: paths inside begin at it.
    Nested {
        /// Where the objects are.
        path: Path,
        /// What one of them has to pass.
        condition: Box<Condition>,
    },
}

impl Condition {
    /// The condition that holds for every point.
    pub fn always() -> Self {
        Self::all(Vec::new())
    }

    /// The condition that holds where all of these do.
    pub fn all(must: Vec<Self>) -> Self {
        Self::Tree { must, should: Vec::new(), must_not: Vec::new() }
    }

    /// The condition that holds where one of these does; for every point, where there is none.
    pub fn any(should: Vec<Self>) -> Self {
        Self::Tree { must: Vec::new(), should, must_not: Vec::new() }
    }

    /// The condition that holds where this one does not.
    pub fn negated(condition: Self) -> Self {
        Self::Tree { must: Vec::new(), should: Vec::new(), must_not: vec![condition] }
    }

    /// The condition for one point of which is known which vectors it has.
    pub fn with_vectors(&self, has: &dyn Fn(&str) -> bool) -> Cow<'_, Self> {
        if !self.asks_for_vectors() {
            return Cow::Borrowed(self);
        }
        let all = |of: &[Self]| of.iter().map(|one| one.with_vectors(has).into_owned()).collect();
        Cow::Owned(match self {
            Self::HasVector(name) if has(name) => Self::always(),
            Self::HasVector(_) => Self::negated(Self::always()),
            Self::Tree { must, should, must_not } => {
                Self::Tree { must: all(must), should: all(should), must_not: all(must_not) }
            }
            Self::AtLeast { count, of } => Self::AtLeast { count: *count, of: all(of) },
            Self::Field { .. } | Self::HasId(_) | Self::Slice(_) | Self::Nested { .. } => self.clone(),
        })
    }

    fn asks_for_vectors(&self) -> bool {
        match self {
            Self::HasVector(_) => true,
            Self::Tree { must, should, must_not } => {
                must.iter().chain(should).chain(must_not).any(Self::asks_for_vectors)
            }
            Self::AtLeast { of, .. } => of.iter().any(Self::asks_for_vectors),
            Self::Field { .. } | Self::HasId(_) | Self::Slice(_) | Self::Nested { .. } => false,
        }
    }

    /// A value at the path passes the test.
    pub fn field(path: Path, test: Test) -> Self {
        Self::Field { path, test }
    }
}

/// What is asked of the values at a path. A list passes when one of its elements does.
#[derive(Clone, PartialEq, Debug)]
pub enum Test {
    /// Equal to one of these scalars (one of them: "match"; several: "any of").
    AnyOf(Vec<Scalar>),
    /// There is a scalar at the path, and it is none of these.
    NoneOf(Vec<Scalar>),
    /// Inside the range.
    Range(Range),
    /// A string that begins with these bytes.
    Prefix(String),
    /// A string that has these bytes in it, one behind the other.
    Substring(String),
    /// A string with these words.
    Words(Words),
    /// An object with the numbers `lat` and `lon`, in this shape.
    Geo(Shape),
    /// So many values, lists entered and nulls not counted; none where the field is absent.
    Count(Bounds<u64>),
    /// The field is absent, null or an empty list: the path reaches nothing but nulls. A list of
    /// nulls is empty; an object is not, even one without fields.
    Empty,
    /// The field is there and is null, or is a list that holds a null.
    Null,
}

/// A scalar of a payload, as equality sees it. Integers and floats of one value are equal.
#[derive(Clone, PartialEq, Debug)]
pub enum Scalar {
    /// A string, compared byte by byte.
    Keyword(String),
    /// An integer of 64 bits.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// True or false.
    Bool(bool),
}

/// A range with open or closed ends; an end that is `None` is unbounded.
#[derive(Clone, PartialEq, Debug)]
pub enum Range {
    /// Of numbers, integers and floats alike.
    Number(Bounds<f64>),
    /// Of instants, in microseconds since 1970; strings of RFC 3339 or `YYYY-MM-DD` are compared.
    Datetime(Bounds<i64>),
}

/// The ends of a range. All given ends hold together.
#[derive(Copy, Clone, PartialEq, Debug, Default)]
pub struct Bounds<T> {
    /// Greater than.
    pub gt: Option<T>,
    /// Greater than or equal to.
    pub gte: Option<T>,
    /// Less than.
    pub lt: Option<T>,
    /// Less than or equal to.
    pub lte: Option<T>,
}

impl<T: PartialOrd + Copy> Bounds<T> {
    /// Whether the value is inside.
    pub fn holds(&self, value: T) -> bool {
        self.gt.is_none_or(|end| value > end)
            && self.gte.is_none_or(|end| value >= end)
            && self.lt.is_none_or(|end| value < end)
            && self.lte.is_none_or(|end| value <= end)
    }
}
