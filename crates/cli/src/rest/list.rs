//! Lists, page by page.

use lockstep_api::manifest::List;
use lockstep_api::rotation::RotationRun;
use reqwest::Method;
use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use crate::kind::{Kind, Registered};

/// Items in one answer: few answers for large lists, each far below the server's limit.
const PAGE_ITEMS: usize = 500;
/// Pages that are searched for items that are wanted, where not all are asked for: an old history has very many.
const PAGES_SEARCHED_MAX: usize = 20;

impl Client {
    /// Everything of `kind` that matches `query`, over all pages.
    pub(crate) async fn list(&self, kind: Kind, query: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
        self.first(kind, query, usize::MAX).await
    }

    /// The first `count` of `kind` that match `query`, in the server's order.
    pub(crate) async fn first(&self, kind: Kind, query: &[(&str, &str)], count: usize) -> Result<Vec<Value>, Failure> {
        self.first_of(kind, query, count, |_| true).await
    }

    /// Begins a run of a rotation; where each cluster has its own, of that one.
    pub(crate) async fn run_rotation(&self, name: &str, cluster: Option<&str>) -> Result<RotationRun, Failure> {
        let path = [Kind::Registered(Registered::Rotation).plural(), name, "run"];
        let query: Vec<_> = cluster.map(|cluster| ("cluster", cluster)).into_iter().collect();
        self.answer(self.request(Method::POST, &path).query(&query).json(&serde_json::json!({}))).await
    }

    /// The newest runs of a rotation.
    pub(crate) async fn rotation_runs(&self, name: &str, count: usize) -> Result<List<Value>, Failure> {
        let path = [Kind::Registered(Registered::Rotation).plural(), name, "runs"];
        self.answer(self.request(Method::GET, &path).query(&[("limit", count)])).await
    }

    /// The first `count` of `kind` that match `query` and that are wanted, from the first few pages.
    pub(crate) async fn first_of(
        &self,
        kind: Kind,
        query: &[(&str, &str)],
        count: usize,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut from: Option<String> = None;
        let mut pages: usize = 0;
        let pages_max = PAGES_SEARCHED_MAX.max(count / PAGE_ITEMS + 1);
        loop {
            let mut request = self.request(Method::GET, &[kind.plural()]).query(&[("limit", PAGE_ITEMS)]).query(query);
            if let Some(from) = &from {
                request = request.query(&[("continue", from)]);
            }
            let page: List<Value> = self.answer(request).await?;
            items.extend(page.items.into_iter().filter(&is_wanted));
            // The same token twice would never end.
            let next = page.metadata.continue_from;
            pages += 1;
            if next.is_none() || next == from || items.len() >= count || pages >= pages_max {
                items.truncate(count);
                return Ok(items);
            }
            from = next;
        }
    }
}
