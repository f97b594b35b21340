//! The one error of the REST API, and the boundary where errors of other parts become it.
//!
//! What a caller can mend is told in `detail`, with what to do next. What a caller cannot is logged here, once, with its whole
//! chain, and answered without it.

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use lockstep_api::field::FieldError;
use lockstep_api::problem::{PROBLEM_JSON, Problem};
use lockstep_store::StoreError;

use super::code::Code;

/// What a failed request was answered with, for those who count and note.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) code: Code,
    pub(crate) detail: String,
}

/// Why a request failed.
#[derive(Debug)]
pub(crate) struct ApiError {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    /// For the log only.
    cause: Option<anyhow::Error>,
}

impl ApiError {
    /// A problem that the caller can mend; `detail` says how.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), cause: None }
    }

    /// Every mistake of a body.
    pub(crate) fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.len() {
            1 => "the body has a mistake: correct it and try again".to_owned(),
            n => format!("the body has {n} mistakes: correct them and try again"),
        };
        Self { errors, ..Self::new(Code::InvalidManifest, detail) }
    }

    /// One mistake of a body.
    pub(crate) fn invalid_field(field: &str, reason: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { field: field.to_owned(), reason: reason.into() }])
    }

    /// What kind of problem it is.
    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    /// A fault of ours.
    pub(crate) fn internal(cause: impl Into<anyhow::Error>) -> Self {
        let detail = "the server failed and has logged why: try again, and if it stays, look at its log";
        Self { cause: Some(cause.into()), ..Self::new(Code::Internal, detail) }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound { kind, name } => Self::new(Code::NotFound, format!("there is no {kind} {name:?}")),
            StoreError::InUse { .. } | StoreError::OtherEngine { .. } => Self::new(Code::InUse, error.to_string()),
            _ if error.is_unavailable() => Self {
                cause: Some(error.into()),
                ..Self::new(Code::RegistryUnavailable, "the server cannot reach Postgres now: try again in a moment")
            },
            _ if error.gave_way() => Self {
                cause: Some(error.into()),
                ..Self::new(Code::RegistryUnavailable, "others wrote at the same moment and this gave way to them: try again")
            },
            _ => Self::internal(error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(cause) = &self.cause {
            tracing::error!(code = self.code.as_str(), error = format!("{cause:#}"), "request.failed");
        }
        let code = self.code;
        let problem = Problem {
            kind: format!("urn:lockstep:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status().as_u16(),
            code: code.as_str().to_owned(),
            detail: self.detail.clone(),
            errors: self.errors,
        };
        let mut response = (code.status(), Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"lockstep\""));
        }
        if let Some(seconds) = code.retry_after_s() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(Told { code, detail: self.detail });
        response
    }
}
