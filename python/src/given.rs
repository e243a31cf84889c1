//! The keyword arguments of a call. Each is taken by name and turned into the library's type; `None` means not given.

use crate::failure;

use forecast_export::{Error, parse_duration, parse_size};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

pub(crate) struct Given<'a, 'py> {
    args: &'a Bound<'py, PyDict>,
    used: RefCell<BTreeSet<&'static str>>,
}

impl<'a, 'py> Given<'a, 'py> {
    pub(crate) fn new(args: &'a Bound<'py, PyDict>) -> Self {
        Given { args, used: RefCell::default() }
    }

    pub(crate) fn py(&self) -> Python<'py> {
        self.args.py()
    }

    /// An argument that this call does not have is an error: a misspelt one would have no effect.
    pub(crate) fn must_be_used_up(&self) -> PyResult<()> {
        for (name, value) in self.args.iter() {
            let name: String = name.extract()?;
            if !value.is_none() && !self.used.borrow().contains(name.as_str()) {
                return Err(PyTypeError::new_err(format!("this call has no argument \"{name}\"")));
            }
        }
        Ok(())
    }

    fn value(&self, name: &'static str) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.used.borrow_mut().insert(name);
        Ok(self.args.get_item(name)?.filter(|value| !value.is_none()))
    }

    /// A value of one of Python's own types.
    pub(crate) fn plain<T: for<'b> FromPyObject<'b, 'py>>(
        &self,
        name: &'static str,
        what: &str,
    ) -> PyResult<Option<T>> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        value.extract().map(Some).map_err(|_| wrong(name, what, &value))
    }

    pub(crate) fn text(&self, name: &'static str) -> PyResult<Option<String>> {
        self.plain(name, "a str")
    }

    pub(crate) fn flag(&self, name: &'static str) -> PyResult<bool> {
        Ok(self.plain(name, "a bool")?.unwrap_or(false))
    }

    pub(crate) fn number<T: for<'b> FromPyObject<'b, 'py>>(&self, name: &'static str) -> PyResult<Option<T>> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        value.extract().map(Some).map_err(|_| {
            if value.is_instance_of::<PyInt>() {
                failure::usage(self.py(), &format!("{name} must not be negative or too large, as {value} is"))
            } else {
                wrong(name, "a whole number", &value)
            }
        })
    }

    /// One text or several.
    pub(crate) fn texts(&self, name: &'static str) -> PyResult<Vec<String>> {
        let Some(value) = self.value(name)? else { return Ok(Vec::new()) };
        if let Ok(one) = value.cast::<PyString>() {
            return Ok(vec![one.to_str()?.to_owned()]);
        }
        let several = value.try_iter().and_then(|values| values.map(|value| value?.extract()).collect());
        several.map_err(|_: PyErr| wrong(name, "a str, or several in a list", &value))
    }

    /// Names and values.
    pub(crate) fn pairs(&self, name: &'static str) -> PyResult<Vec<(String, String)>> {
        let Some(value) = self.value(name)? else { return Ok(Vec::new()) };
        let pairs = value.cast::<PyDict>().ok().map(|pairs| pairs.iter());
        let pairs =
            pairs.map(|pairs| pairs.map(|(key, value)| Ok((key.extract()?, value.extract()?))).collect());
        match pairs {
            Some(Ok(pairs)) => Ok(pairs),
            Some(Err::<_, PyErr>(_)) | None => Err(wrong(name, "a dict of str to str", &value)),
        }
    }

    /// A word or text that the library reads.
    pub(crate) fn parsed<T: FromStr<Err = Error>>(&self, name: &'static str) -> PyResult<Option<T>> {
        self.text(name)?.map(|text| self.checked(text.parse())).transpose()
    }

    /// Raises an error of the library.
    pub(crate) fn checked<T>(&self, result: Result<T, Error>) -> PyResult<T> {
        result.map_err(|error| failure::raised(self.args.py(), &error))
    }

    /// Bytes, as a number or as a text such as `64MB`.
    pub(crate) fn size(&self, name: &'static str) -> PyResult<Option<u64>> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        if let Ok(bytes) = value.extract::<u64>() {
            return Ok(Some(bytes));
        }
        let text: String = value
            .extract()
            .map_err(|_| wrong(name, "a number of bytes or a str such as \"64MB\"", &value))?;
        self.checked(parse_size(&text)).map(Some)
    }

    /// A length of time: a timedelta, a number of seconds or a text such as `30m`.
    pub(crate) fn duration(&self, name: &'static str) -> PyResult<Option<Duration>> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        let what = "a timedelta, a number of seconds or a str such as \"30m\"";
        if let Ok(time) = value.extract::<Duration>() {
            return Ok(Some(time));
        }
        if let Ok(seconds) = value.extract::<f64>() {
            return Duration::try_from_secs_f64(seconds).map(Some).map_err(|_| wrong(name, what, &value));
        }
        let text: String = value.extract().map_err(|_| wrong(name, what, &value))?;
        self.checked(parse_duration(&text)).map(Some)
    }

    /// Any object.
    pub(crate) fn object(&self, name: &'static str) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.value(name)
    }
}

fn wrong(name: &str, what: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let found = value.get_type().name().map_or_else(|_| "another type".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{name} must be {what}, not {found}"))
}
