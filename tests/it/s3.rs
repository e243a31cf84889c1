//! The same list of checks over every S3 server there is.
