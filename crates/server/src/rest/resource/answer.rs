//! Manifests in answers, with what the headers say of them.

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lockstep_api::blast_radius::BlastRadius;
use lockstep_api::manifest::Manifest;

use super::Resource;

/// Says what a write did: `created`, `configured` or `unchanged`.
pub(crate) const RESULT: HeaderName = HeaderName::from_static("lockstep-result");
/// How many placements changed with a write, or would: how far it reaches.
pub(crate) const PLACEMENTS_CHANGED: HeaderName = HeaderName::from_static("lockstep-placements-changed");

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is new.
    Created,
    /// It was there and is another now.
    Configured,
    /// It was there and already so.
    Unchanged,
}

impl Outcome {
    /// The word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

/// A manifest.
pub(crate) struct Shown<K: Resource>(pub(crate) Manifest<K::Spec, K::Status>);

/// What was deleted, or is being removed.
pub(crate) struct Deleted<K: Resource> {
    /// What it was, or is now.
    pub(crate) manifest: Manifest<K::Spec, K::Status>,
    /// How far that would reach, if it was only tried.
    pub(crate) tried: Option<BlastRadius>,
}

/// A manifest and what became of it.
pub(crate) struct Answer<K: Resource> {
    /// What the write did.
    pub(crate) outcome: Outcome,
    /// How far it reached.
    pub(crate) placements_changed: usize,
    /// What is now.
    pub(crate) manifest: Manifest<K::Spec, K::Status>,
    /// How far it would reach, if it was only tried.
    pub(crate) tried: Option<BlastRadius>,
}

/// The manifest, and of a write that was only tried how far it would reach.
fn body<K: Resource>(manifest: Manifest<K::Spec, K::Status>, tried: Option<BlastRadius>) -> Response {
    match tried {
        None => Json(manifest).into_response(),
        Some(radius) => Json(manifest.tried(radius)).into_response(),
    }
}

fn headers<K: Resource>(manifest: &Manifest<K::Spec, K::Status>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // The tag is for If-Match. It does not cover the status, so no cache may answer by it.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let version = manifest.metadata.resource_version.as_ref();
    if let Some(tag) = version.and_then(|version| HeaderValue::try_from(format!("\"{version}\"")).ok()) {
        headers.insert(header::ETAG, tag);
    }
    headers
}

impl<K: Resource> IntoResponse for Shown<K> {
    fn into_response(self) -> Response {
        (headers::<K>(&self.0), Json(self.0)).into_response()
    }
}

impl<K: Resource> IntoResponse for Deleted<K> {
    fn into_response(self) -> Response {
        (headers::<K>(&self.manifest), body::<K>(self.manifest, self.tried)).into_response()
    }
}

impl<K: Resource> IntoResponse for Answer<K> {
    fn into_response(self) -> Response {
        let mut headers = headers::<K>(&self.manifest);
        headers.insert(RESULT, HeaderValue::from_static(self.outcome.as_str()));
        headers.insert(PLACEMENTS_CHANGED, self.placements_changed.into());
        let status = if self.outcome == Outcome::Created { StatusCode::CREATED } else { StatusCode::OK };
        if let (Outcome::Created, Ok(location)) =
            (self.outcome, HeaderValue::try_from(format!("/v1/{}/{}", K::PLURAL, self.manifest.metadata.name)))
        {
            headers.insert(header::LOCATION, location);
        }
        (status, headers, body::<K>(self.manifest, self.tried)).into_response()
    }
}
