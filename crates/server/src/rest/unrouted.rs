//! Requests that no endpoint answers.

use axum::http::{Method, Uri};

use super::code::Code;
use super::problem::ApiError;

/// No such path.
pub(crate) async fn no_such_path(uri: Uri) -> ApiError {
    ApiError::new(Code::NoSuchPath, format!("the API has no path {}: /openapi.json lists those there are", uri.path()))
}

/// The path is there, the method is not; the `Allow` header lists those there are.
pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::new(Code::MethodNotAllowed, format!("{} has no method {method}: /openapi.json lists those there are", uri.path()))
}
