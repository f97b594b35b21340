//! Bodies: JSON of a limited size, read once and then decoded with every mistake reported.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use lockstep_api::decode::decode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::code::Code;
use super::limit::BODY_MAX_BYTES;
use super::problem::ApiError;

/// A request's body.
pub(crate) struct Body(Bytes);

impl Body {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Result<Value, ApiError> {
        if self.is_empty() {
            return Err(ApiError::new(Code::InvalidJson, "the body is empty: send the JSON of what is to be written"));
        }
        let json = serde_json::from_slice(&self.0);
        let json = json.map_err(|e| ApiError::new(Code::InvalidJson, format!("the body is not JSON: {e}")))?;
        if has_nul(&json) {
            let detail = "a text in the body has the character U+0000, which the registry cannot keep: leave it out";
            return Err(ApiError::new(Code::InvalidJson, detail));
        }
        Ok(json)
    }

    /// As a `T`, without unknown fields.
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        decode(self.json()?).map_err(ApiError::invalid)
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let declared = request.headers().get(header::CONTENT_TYPE).cloned();
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                ApiError::new(Code::BodyTooLarge, format!("a body may have at most {BODY_MAX_BYTES} bytes: split what is in it"))
            }
            _ => ApiError::new(Code::InvalidJson, "the body ended early: send it again"),
        })?;
        let is_json = declared.as_ref().is_none_or(|t| t.to_str().is_ok_and(is_json));
        if !bytes.is_empty() && !is_json {
            let detail = "the body must be JSON: send it with \"Content-Type: application/json\"";
            return Err(ApiError::new(Code::UnsupportedMediaType, detail));
        }
        Ok(Self(bytes))
    }
}

/// Whether any text has U+0000, as no text in Postgres has. serde_json takes JSON to a depth of 128 only.
fn has_nul(json: &Value) -> bool {
    match json {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_with_parameters_and_suffixes() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
            assert!(is_json(good), "{good}");
        }
        for bad in ["text/plain", "application/x-www-form-urlencoded", "application/yaml", ""] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
