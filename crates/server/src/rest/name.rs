//! The name in a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use super::code::Code;
use super::problem::ApiError;

/// A registered thing's name, as in `/v1/bindings/{name}`.
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(name) = path.map_err(|_| ApiError::new(Code::NoSuchPath, "the name in the path is not UTF-8"))?;
        // Postgres takes no such text, not even to look for it.
        if name.contains('\0') {
            return Err(ApiError::new(Code::NoSuchPath, "the name in the path has the character U+0000, which no name has"));
        }
        Ok(Self(name))
    }
}
