//! A condition that selects rows by their columns, as plain data.

use chrono::{DateTime, NaiveDate, Utc};
use std::fmt;
use std::ops::Not;

/// A condition on the columns of a row.
///
/// Conditions have SQL's three values: a comparison with null is neither true nor false, and only rows for which the
/// condition is true are read. Build one from [`column()`](crate::column()):
///
/// ```
/// use forecast_export::column;
///
/// let dear = column("p50").gt(99.5).and(column("item_id").is_in(["a", "b"]));
/// assert_eq!(dear.columns(), ["p50", "item_id"]);
/// let rest = !dear;
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Filter {
    /// The value compares like this with another.
    Compare {
        /// The column's name.
        column: String,
        /// How.
        comparison: Comparison,
        /// With what.
        value: Literal,
    },
    /// The value equals one of these.
    In {
        /// The column's name.
        column: String,
        /// The values. If there are none, the condition is false, for nulls too.
        values: Vec<Literal>,
    },
    /// The value is neither less than the one nor greater than the other.
    Between {
        /// The column's name.
        column: String,
        /// The least value.
        lowest: Literal,
        /// The greatest value.
        highest: Literal,
    },
    /// The value is null. This condition itself is never null.
    IsNull {
        /// The column's name.
        column: String,
    },
    /// All of these are true; also true if there are none.
    All(Vec<Filter>),
    /// One of these is true.
    Any(Vec<Filter>),
    /// The condition is false.
    Not(Box<Filter>),
}

/// How two values are compared.
///
/// Text compares by its bytes, which is by code points; numbers by their exact value, whether whole or doubles, without
/// rounding; dates and points in time by the calendar; `false` before `true`. Both zeros are equal. NaN is neither
/// less, nor greater, nor equal to anything, itself included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A value to compare a column with: text with text; whole numbers and doubles with numbers; dates with dates and
/// points in time; points in time with points in time; booleans with booleans.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Literal {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// A double.
    Double(f64),
    /// A date; compared with points in time, its midnight.
    Date(NaiveDate),
    /// A point in time. In a column without a zone, the clock time is compared as if it were UTC.
    Timestamp(DateTime<Utc>),
    /// A boolean.
    Boolean(bool),
}

/// A column to build conditions from.
///
/// Made by [`column()`](crate::column()).
#[derive(Debug, Clone)]
#[must_use]
pub struct FilterColumn(String);

/// The column of this name, to make a [`Filter`] of.
pub fn column(name: impl Into<String>) -> FilterColumn {
    FilterColumn(name.into())
}

impl FilterColumn {
    fn compare(self, comparison: Comparison, value: impl Into<Literal>) -> Filter {
        Filter::Compare { column: self.0, comparison, value: value.into() }
    }

    /// It equals a value.
    pub fn eq(self, value: impl Into<Literal>) -> Filter {
        self.compare(Comparison::Equal, value)
    }

    /// It has a value other than this.
    pub fn ne(self, value: impl Into<Literal>) -> Filter {
        self.compare(Comparison::NotEqual, value)
    }

    /// It is less than a value.
    pub fn lt(self, value: impl Into<Literal>) -> Filter {
        self.compare(Comparison::Less, value)
    }

    /// It is a value or less.
    pub fn le(self, value: impl Into<Literal>) -> Filter {
        self.compare(Comparison::LessOrEqual, value)
    }

    /// It is greater than a value.
    pub fn gt(self, value: impl Into<Literal>) -> Filter {
        self.compare(Comparison::Greater, value)
    }

    /// It is a value or greater.
    pub fn ge(self, value: impl Into<Literal>) -> Filter {
        self.compare(Comparison::GreaterOrEqual, value)
    }

    /// It equals one of these values.
    pub fn is_in<L: Into<Literal>>(self, values: impl IntoIterator<Item = L>) -> Filter {
        Filter::In { column: self.0, values: values.into_iter().map(Into::into).collect() }
    }

    /// It is one of two values or lies between them.
    pub fn between(self, lowest: impl Into<Literal>, highest: impl Into<Literal>) -> Filter {
        Filter::Between { column: self.0, lowest: lowest.into(), highest: highest.into() }
    }

    /// It has no value.
    pub fn is_null(self) -> Filter {
        Filter::IsNull { column: self.0 }
    }

    /// It has a value.
    pub fn is_not_null(self) -> Filter {
        !self.is_null()
    }
}

impl Filter {
    /// Both are true.
    #[must_use]
    pub fn and(self, other: Filter) -> Filter {
        match self {
            Filter::All(mut all) => {
                all.push(other);
                Filter::All(all)
            }
            one => Filter::All(vec![one, other]),
        }
    }

    /// One of the two is true.
    #[must_use]
    pub fn or(self, other: Filter) -> Filter {
        match self {
            Filter::Any(mut any) => {
                any.push(other);
                Filter::Any(any)
            }
            one => Filter::Any(vec![one, other]),
        }
    }

    /// The names of the columns that it reads, each once.
    pub fn columns(&self) -> Vec<&str> {
        fn gather<'a>(filter: &'a Filter, found: &mut Vec<&'a str>) {
            match filter {
                Filter::Compare { column, .. }
                | Filter::In { column, .. }
                | Filter::Between { column, .. }
                | Filter::IsNull { column } => {
                    if !found.contains(&column.as_str()) {
                        found.push(column);
                    }
                }
                Filter::All(filters) | Filter::Any(filters) => {
                    filters.iter().for_each(|filter| gather(filter, found));
                }
                Filter::Not(filter) => gather(filter, found),
            }
        }
        let mut found = Vec::new();
        gather(self, &mut found);
        found
    }
}

impl Not for Filter {
    type Output = Filter;

    fn not(self) -> Filter {
        Filter::Not(Box::new(self))
    }
}

impl Literal {
    /// The noun for its type.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Literal::String(_) => "text",
            Literal::Integer(_) => "a whole number",
            Literal::Double(_) => "a double",
            Literal::Date(_) => "a date",
            Literal::Timestamp(_) => "a point in time",
            Literal::Boolean(_) => "a boolean",
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::String(text) => write!(f, "{text:?}"),
            Literal::Integer(number) => number.fmt(f),
            Literal::Double(number) => number.fmt(f),
            Literal::Date(date) => date.fmt(f),
            Literal::Timestamp(time) => write!(f, "{}", time.format("%Y-%m-%dT%H:%M:%S%.fZ")),
            Literal::Boolean(boolean) => boolean.fmt(f),
        }
    }
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Literal::String(text.to_owned())
    }
}

impl From<String> for Literal {
    fn from(text: String) -> Self {
        Literal::String(text)
    }
}

impl From<i64> for Literal {
    fn from(number: i64) -> Self {
        Literal::Integer(number)
    }
}

impl From<i32> for Literal {
    fn from(number: i32) -> Self {
        Literal::Integer(number.into())
    }
}

impl From<f64> for Literal {
    fn from(number: f64) -> Self {
        Literal::Double(number)
    }
}

impl From<bool> for Literal {
    fn from(boolean: bool) -> Self {
        Literal::Boolean(boolean)
    }
}

impl From<NaiveDate> for Literal {
    fn from(date: NaiveDate) -> Self {
        Literal::Date(date)
    }
}

impl From<DateTime<Utc>> for Literal {
    fn from(time: DateTime<Utc>) -> Self {
        Literal::Timestamp(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_in_a_row_are_one() {
        let (a, b, c) = (column("a").eq(1), column("b").lt(2.5), column("a").is_null());
        assert_eq!(
            a.clone().and(b.clone()).and(c.clone()),
            Filter::All(vec![a.clone(), b.clone(), c.clone()])
        );
        assert_eq!(a.clone().or(b.clone()).or(c.clone()), Filter::Any(vec![a.clone(), b.clone(), c.clone()]));
        assert_eq!((!a.clone().and(b)).or(c).columns(), ["a", "b"]);
        assert_eq!(column("a").is_not_null(), Filter::Not(Box::new(column("a").is_null())));
    }
}
