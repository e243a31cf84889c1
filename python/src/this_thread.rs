//! What CPython knows about the thread that runs.

use pyo3::ffi;

/// Whether Python code runs on this thread, or has run on it. Only such a thread may have the GIL.
pub(crate) fn is_of_python() -> bool {
    // SAFETY: the function only reads the thread's own slot, and needs no GIL. It is called while the interpreter lives:
    // streams are read by the libraries that it has loaded.
    #[allow(unsafe_code, reason = "pyo3 has no safe way to ask for it")]
    let state = unsafe { ffi::PyGILState_GetThisThreadState() };
    !state.is_null()
}
