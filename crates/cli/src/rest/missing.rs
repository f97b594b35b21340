//! That something does not exist, and what may have been meant.

use thiserror::Error;

use super::client::Client;
use super::failure::Failure;
use crate::item;
use crate::kind::Kind;

/// Names that are suggested, and how like the one that was asked for they must be (0 to 1).
const SUGGESTIONS: usize = 3;
const LIKENESS_MIN: f32 = 0.6;

/// There is no such thing.
#[derive(Debug, Error)]
#[error("not found: there is no {} {name:?}", kind.singular())]
pub(crate) struct Missing {
    kind: Kind,
    name: String,
    similar: Vec<String>,
}

impl Missing {
    /// What was asked for, and the names there are.
    pub(crate) fn new(kind: Kind, name: &str, names: &[String]) -> Self {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let similar = similar::get_close_matches(name, &names, SUGGESTIONS, LIKENESS_MIN);
        Self { kind, name: name.to_owned(), similar: similar.into_iter().map(ToOwned::to_owned).collect() }
    }

    /// What to do next.
    pub(crate) fn advice(&self) -> String {
        let list = format!("`lockstep get {}` lists those there are.", self.kind.plural());
        if self.similar.is_empty() { list } else { format!("Did you mean {}? {list}", self.similar.join(" or ")) }
    }
}

impl Client {
    /// Says that something was not found, once it is asked what there is.
    pub(crate) async fn missing(&self, kind: Kind, name: &str) -> Missing {
        // Without the list the answer is still true, only less helpful.
        let items = self.list(kind, &[]).await.unwrap_or_default();
        let names: Vec<String> = items.iter().map(|item| item::name(kind, item)).collect();
        Missing::new(kind, name, &names)
    }

    /// `result` of a request about a registered thing.
    pub(crate) async fn explained<T>(&self, kind: Kind, name: &str, result: Result<T, Failure>) -> anyhow::Result<T> {
        match result {
            Err(Failure::NotFound(_)) => Err(self.missing(kind, name).await.into()),
            other => Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Registered;

    #[test]
    fn names_like_the_one_that_is_missing_are_suggested() {
        let names = ["checkout-db", "cart", "payments"].map(ToOwned::to_owned);
        let kind = Kind::Registered(Registered::Binding);
        let missing = Missing::new(kind, "chekout-db", &names);
        assert_eq!(missing.to_string(), "not found: there is no binding \"chekout-db\"");
        assert_eq!(missing.advice(), "Did you mean checkout-db? `lockstep get bindings` lists those there are.");
        assert_eq!(Missing::new(kind, "zzz", &names).advice(), "`lockstep get bindings` lists those there are.");
    }
}
