//! Lists, page by page.

use lockstep_api::manifest::List;
use reqwest::Method;
use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use crate::kind::Kind;

/// Items in one answer: few answers for large lists, each far below the server's limit.
const PAGE: &str = "500";

impl Client {
    /// Everything of `kind` that matches `query`, over all pages.
    pub(crate) async fn list(&self, kind: Kind, query: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
        self.first(kind, query, usize::MAX).await
    }

    /// The first `count` of `kind` that match `query`, in the server's order.
    pub(crate) async fn first(&self, kind: Kind, query: &[(&str, &str)], count: usize) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut from: Option<String> = None;
        loop {
            let mut request = self.request(Method::GET, &[kind.plural()]).query(&[("limit", PAGE)]).query(query);
            if let Some(from) = &from {
                request = request.query(&[("continue", from)]);
            }
            let page: List<Value> = self.answer(request).await?;
            items.extend(page.items);
            // The same token twice would never end.
            let next = page.metadata.continue_from;
            if next.is_none() || next == from || items.len() >= count {
                items.truncate(count);
                return Ok(items);
            }
            from = next;
        }
    }
}
