//! Doors to private parsers, for the fuzz targets in `fuzz/`. Compiled only for them (`cfg(fuzzing)`), so that nobody else finds them.

use serde::de::DeserializeOwned;

use crate::http::{self, FormBody};

/// A form as the OAuth endpoints read it.
pub fn form(body: &[u8]) -> FormBody {
    FormBody::parse(body)
}

/// A JSON body as every other endpoint reads it.
///
/// # Errors
/// It is no object, or not one of `T`.
pub fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, http::Error> {
    http::body::parse(body)
}
