//! Query parameters. Unknown ones are refused: a misspelt filter must not list everything.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use lockstep_core::selector::Selector;
use lockstep_store::page::{PAGE_DEFAULT, PAGE_MAX, Page};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::code::Code;
use super::problem::ApiError;

/// A request's query, as a `T`. Postgres takes no text with U+0000.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(ApiError::new(Code::InvalidQuery, "the query has the character U+0000, which nothing here holds"));
        }
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(query)| Self(query)).map_err(|e| ApiError::new(Code::InvalidQuery, e.body_text()))
    }
}

/// Which page of named things.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// At most this many items, 1 to 1000; 500 if absent.
    pub(crate) limit: Option<usize>,
    /// `metadata.continue` of the page before.
    #[serde(rename = "continue")]
    pub(crate) continue_from: Option<String>,
    /// Only what has these labels, as in `kubectl get -l`: `env=prod,tier in (web,api),!legacy`.
    pub(crate) label_selector: Option<String>,
}

impl ListQuery {
    /// The page, checked.
    pub(crate) fn page(self) -> Result<Page, ApiError> {
        let selector = self.label_selector.as_deref().unwrap_or_default().parse::<Selector>();
        let selector = selector.map_err(|e| ApiError::new(Code::InvalidQuery, format!("labelSelector: {e}")))?;
        Ok(Page { selector, ..page(self.limit, self.continue_from)? })
    }
}

/// A page without a selector, checked.
pub(crate) fn page(limit: Option<usize>, continue_from: Option<String>) -> Result<Page, ApiError> {
    Ok(Page { after: continue_from, limit: check_limit(limit)?, ..Page::default() })
}

/// How many items, checked.
pub(crate) fn check_limit(limit: Option<usize>) -> Result<usize, ApiError> {
    match limit.unwrap_or(PAGE_DEFAULT) {
        limit @ 1..=PAGE_MAX => Ok(limit),
        other => Err(ApiError::new(Code::InvalidQuery, format!("limit: {other} is not between 1 and {PAGE_MAX}"))),
    }
}

/// Whether a write is to be kept.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WriteQuery {
    /// `All`: nothing is written, and the answer is what would be.
    dry_run: Option<String>,
}

/// What a deletion is asked with.
pub(crate) trait DeleteParams: DeserializeOwned + IntoParams + Send + Sync {
    /// Whether it is kept, checked.
    fn mode(&self) -> Result<Mode, ApiError>;
}

impl DeleteParams for WriteQuery {
    fn mode(&self) -> Result<Mode, ApiError> {
        Self::mode(self)
    }
}

/// Whether a write is kept or only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Written.
    Keep,
    /// Rolled back once the answer is known.
    DryRun,
}

impl WriteQuery {
    /// The mode, checked.
    pub(crate) fn mode(&self) -> Result<Mode, ApiError> {
        Mode::of(self.dry_run.as_deref())
    }
}

impl Mode {
    /// What `dryRun` says.
    pub(crate) fn of(dry_run: Option<&str>) -> Result<Self, ApiError> {
        match dry_run {
            None => Ok(Self::Keep),
            Some("All") => Ok(Self::DryRun),
            Some(other) => Err(ApiError::new(Code::InvalidQuery, format!("dryRun: {other:?} is not All"))),
        }
    }
}
