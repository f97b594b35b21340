//! Writes that hold only if the thing still is as the caller last saw it (RFC 9110, section 13).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use lockstep_core::revision::Seq;

use super::code::Code;
use super::problem::ApiError;

/// What the headers ask for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Preconditions {
    if_match: Option<Matching>,
    /// `If-None-Match: *`.
    must_be_new: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Matching {
    /// `*`: whatever it is, it must be there.
    Any,
    /// One of these resource versions.
    OneOf(Vec<String>),
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::of(&parts.headers)
    }
}

impl Preconditions {
    fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let if_match = text(headers, &header::IF_MATCH)?.map(|text| match text {
            "*" => Ok(Matching::Any),
            list => list.split(',').map(|tag| entity_tag(tag.trim())).collect::<Result<_, _>>().map(Matching::OneOf),
        });
        let must_be_new = match text(headers, &header::IF_NONE_MATCH)? {
            None => false,
            Some("*") => true,
            Some(_) => {
                return Err(ApiError::new(Code::InvalidHeader, "If-None-Match: only * is understood: it must not exist yet"));
            }
        };
        Ok(Self { if_match: if_match.transpose()?, must_be_new })
    }

    /// Compares. `stated` is the body's `metadata.resourceVersion`, which asks for the same as `If-Match`.
    pub(crate) fn check(&self, what: &str, stated: Option<&str>, present: Option<Seq>) -> Result<(), ApiError> {
        let conflict = |detail: String| Err(ApiError::new(Code::Conflict, detail));
        let Some(present) = present else {
            return match (&self.if_match, stated) {
                (None, None) => Ok(()),
                _ => conflict(format!(
                    "{what} does not exist any more: to create it, leave out If-Match and metadata.resourceVersion"
                )),
            };
        };
        if self.must_be_new {
            return conflict(format!("{what} exists already: to replace it, leave out If-None-Match"));
        }
        let present = present.to_string();
        let wanted = match &self.if_match {
            Some(Matching::OneOf(tags)) if !tags.contains(&present) => tags.first().map(String::as_str),
            _ => None,
        };
        match wanted.or(stated.filter(|stated| *stated != present)) {
            None => Ok(()),
            Some(seen) => conflict(format!(
                "{what} was written by somebody else in between: it has resourceVersion {present}, not {seen}. Read it again and make your \
                 change to that"
            )),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let value = headers.get(name).map(|value| value.to_str());
    value.transpose().map_err(|_| ApiError::new(Code::InvalidHeader, format!("{name}: not ASCII")))
}

/// The text of an entity tag. A weak one never holds for a write, so it is a mistake to send it.
fn entity_tag(tag: &str) -> Result<String, ApiError> {
    let inner = tag.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    inner.filter(|t| !t.contains('"')).map(str::to_owned).ok_or_else(|| {
        ApiError::new(Code::InvalidHeader, format!("If-Match: {tag} is not an ETag: send it as it was answered, with its quotes"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_holds_only_if_nothing_happened_in_between() {
        let seven = Some(Seq::new(7));
        for (if_match, if_none_match, stated, present, want) in [
            ("", "", None, None, true),
            ("", "", None, seven, true),
            ("\"7\"", "", None, seven, true),
            ("\"6\", \"7\"", "", None, seven, true),
            ("*", "", None, seven, true),
            ("\"6\"", "", None, seven, false),
            ("\"7\"", "", None, None, false),
            ("*", "", None, None, false),
            ("", "", Some("7"), seven, true),
            ("", "", Some("6"), seven, false),
            ("", "", Some("7"), None, false),
            ("\"7\"", "", Some("6"), seven, false),
            ("", "*", None, seven, false),
            ("", "*", None, None, true),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::IF_MATCH, if_match), (header::IF_NONE_MATCH, if_none_match)] {
                if !value.is_empty() {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            let held = Preconditions::of(&headers).unwrap().check("binding \"x\"", stated, present).is_ok();
            assert_eq!(held, want, "{if_match} {if_none_match} {stated:?} {present:?}");
        }
    }

    #[test]
    fn what_is_no_entity_tag_is_refused_and_not_ignored() {
        for (name, value) in [
            (header::IF_MATCH, "7"),
            (header::IF_MATCH, "W/\"7\""),
            (header::IF_MATCH, "\"7\" \"8\""),
            (header::IF_NONE_MATCH, "\"7\""),
        ] {
            let headers = HeaderMap::from_iter([(name.clone(), value.parse().unwrap())]);
            assert!(Preconditions::of(&headers).is_err(), "{name}: {value}");
        }
    }
}
