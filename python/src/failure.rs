//! Turns the library's errors into the package's exceptions, in the words of Python's arguments.

use forecast_export::{DataError, Error, Setting};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// The argument for a setting.
pub(crate) fn argument(setting: Setting) -> &'static str {
    match setting {
        Setting::BloomFilters => "bloom_filter",
        Setting::NamesOnly => "names",
        Setting::Nulls => "null",
        Setting::Tags => "tag",
        Setting::Wait => "wait",
        other => other.name(),
    }
}

/// The exception for an error.
pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    made(py, error).map_or_else(|failed| failed, |exception| PyErr::from_value(exception.into_bound(py)))
}

fn made(py: Python<'_>, error: &Error) -> PyResult<Py<PyAny>> {
    let data = serde_json::to_string(error).map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    let remedy = match error {
        Error::Data(data) => {
            let DataError { remedy, .. } = &**data;
            remedy.as_ref()
        }
        Error::Denied { remedy, .. } | Error::Store { remedy, .. } => remedy.as_ref(),
        _ => None,
    };
    let hint = remedy.map(|remedy| remedy.named(argument).to_string());
    let cause = std::error::Error::source(error)
        .map(|source| forecast_export::redacted(&source.to_string()).into_owned());
    let message = error.named(argument).to_string();
    let made = py.import("forecast_export._errors")?.call_method1("made", (data, message, hint, cause))?;
    Ok(made.unbind())
}

/// The exception for a request that makes no sense.
pub(crate) fn usage(py: Python<'_>, text: &str) -> PyErr {
    let made = py.import("forecast_export._errors").and_then(|errors| errors.call_method1("usage", (text,)));
    made.map_or_else(|failed| failed, PyErr::from_value)
}
