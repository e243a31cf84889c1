//! Reads the members of a request: their JSON types here, their values in `requests`.
//!
//! A member that is null is absent, and unknown members are ignored, as in the protocol `awsJson1_1`.

use super::problem::{Name, Problem};

use serde_json::{Map, Value};

/// The members of an object.
pub(super) struct Members<'a>(Option<&'a Map<String, Value>>);

impl<'a> Members<'a> {
    pub(super) fn of(value: &'a Value) -> Result<Self, Problem> {
        value.as_object().map(|members| Members(Some(members))).ok_or_else(|| wrong("The body", "an object"))
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.and_then(|members| members.get(name)).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| wrong(name, "a string"));
        self.get(name).map(text).transpose()
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Problem> {
        let integer = |value: &Value| value.as_i64().ok_or_else(|| wrong(name, "an integer"));
        self.get(name).map(integer).transpose()
    }

    /// The members of a structure; of an absent one, all are absent.
    pub(super) fn structure(&self, name: &str) -> Result<Option<Members<'a>>, Problem> {
        let structure = |value: &'a Value| {
            value.as_object().map(|members| Members(Some(members))).ok_or_else(|| wrong(name, "an object"))
        };
        self.get(name).map(structure).transpose()
    }

    /// A list, each of whose items is read.
    pub(super) fn list<T>(
        &self,
        name: &str,
        read: impl Fn(&'a Value) -> Result<T, Problem>,
    ) -> Result<Option<Vec<T>>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let items = value.as_array().ok_or_else(|| wrong(name, "a list"))?;
        items.iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// Texts.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Problem> {
        self.list(name, |item| {
            item.as_str().map(str::to_owned).ok_or_else(|| wrong(name, "a list of strings"))
        })
    }

    /// Structures.
    pub(super) fn structures<T>(
        &self,
        name: &str,
        read: impl Fn(Members<'a>) -> Result<T, Problem>,
    ) -> Result<Option<Vec<T>>, Problem> {
        self.list(name, |item| {
            let members = item.as_object().ok_or_else(|| wrong(name, "a list of objects"))?;
            read(Members(Some(members)))
        })
    }
}

fn wrong(name: &str, expected: &str) -> Problem {
    Problem::new(Name::Serialization, format!("{name} must be {expected}"))
}
