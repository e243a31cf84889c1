//! What CPython knows about the thread that runs, and does on it.

use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::{c_int, c_void};

/// Whether Python code runs on this thread, or has run on it. Only such a thread may have the GIL.
pub(crate) fn is_of_python() -> bool {
    // SAFETY: the function only reads the thread's own slot, and needs no GIL. It is called while the interpreter lives:
    // streams are read by the libraries that it has loaded.
    #[allow(unsafe_code, reason = "pyo3 has no safe way to ask for it")]
    let state = unsafe { ffi::PyGILState_GetThisThreadState() };
    !state.is_null()
}

/// Raises the exception of a signal handler on the main thread, as soon as Python code runs there.
pub(crate) fn raise_later(error: PyErr) {
    let error = Box::into_raw(Box::new(error));
    // SAFETY: the function may be called by any thread. Python calls `raise` once, with what is given here.
    #[allow(unsafe_code, reason = "pyo3 has no safe way to ask for it")]
    unsafe {
        if ffi::Py_AddPendingCall(Some(raise), error.cast()) != 0 {
            // There is no room, because other things wait to be raised.
            drop(Box::from_raw(error));
        }
    }
}

extern "C" fn raise(error: *mut c_void) -> c_int {
    // SAFETY: it is what `raise_later` gave away, and Python calls this once.
    #[allow(unsafe_code, reason = "it is how Python hands over what it was given")]
    let error = unsafe { Box::from_raw(error.cast::<PyErr>()) };
    Python::attach(|py| error.restore(py));
    -1
}
