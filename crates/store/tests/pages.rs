//! Walking a list page by page sees each item once, whatever the size of a page.

use anyhow::Result;
use lockstep_core::selector::Selector;
use lockstep_core::version::SecretState;
use lockstep_store::change;
use lockstep_store::delivery::{self, Filter};
use lockstep_store::page::{PAGE_MAX, Page};
use lockstep_store::{PgConnection, binding, cluster, grant, placement, project, secret, source};

use crate::fixture::{Registry, source_spec, spec, written};

/// Names that a linguistic collation would order otherwise, and that run together when joined.
const NAMES: [&str; 7] = ["a", "a-b", "a0", "ab", "b", "b-0-c", "z"];

type Paged<T> = lockstep_store::Result<(Vec<T>, Option<String>)>;

/// All items, page by page; none of the pages is longer than `limit`.
async fn walk<T>(c: &mut PgConnection, limit: usize, list: impl AsyncFn(&mut PgConnection, Page) -> Paged<T>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    let mut page = Page { limit, ..Page::default() };
    loop {
        let (items, next) = list(c, page.clone()).await?;
        anyhow::ensure!(items.len() <= limit && (next.is_none() || items.len() == limit), "{} of {limit}", items.len());
        all.extend(items);
        let Some(next) = next else { return Ok(all) };
        page.after = Some(next);
    }
}

async fn filled() -> Result<Registry> {
    let registry = Registry::new().await?;
    registry.grant("all", "payments/**", "").await?;
    for name in NAMES {
        registry.cluster(name, "env=prod").await?;
        registry.bind(name, spec(&["payments/x"], "")?).await?;
        registry.observe(&format!("payments/{name}"), SecretState::Live, Some(1)).await?;
        registry
            .change(async |c, seq| {
                source::put(c, &written(name, ""), &source_spec()?, seq).await?;
                Ok(project::put(c, &written(name, ""), Some("for people"), seq).await?)
            })
            .await?;
        registry.grant(name, "payments/**", "").await?;
    }
    Ok(registry)
}

/// The names are those of `NAMES` and `also`, each once, in byte order.
fn each_once(limit: usize, mut names: Vec<String>, also: &str) {
    let mut wanted: Vec<&str> = NAMES.iter().copied().chain((!also.is_empty()).then_some(also)).collect();
    wanted.sort_unstable();
    assert!(names.is_sorted(), "{names:?} by {limit}");
    names.dedup();
    assert_eq!(names, wanted, "by {limit}");
}

#[tokio::test]
async fn named_things() -> Result<()> {
    let registry = filled().await?;
    let mut c = registry.connection().await?;
    for limit in 1..=NAMES.len() + 2 {
        let clusters = walk(&mut c, limit, async |c, page| cluster::list(c, &page).await).await?;
        each_once(limit, clusters.into_iter().map(|r| r.name).collect(), "");
        let bindings = walk(&mut c, limit, async |c, page| binding::list(c, &page).await).await?;
        each_once(limit, bindings.into_iter().map(|r| r.name).collect(), "");
        let projects = walk(&mut c, limit, async |c, page| project::list(c, &page).await).await?;
        each_once(limit, projects.into_iter().map(|r| r.name).collect(), "payments");
        let sources = walk(&mut c, limit, async |c, page| source::list(c, &page).await).await?;
        each_once(limit, sources.into_iter().map(|r| r.name).collect(), "corp");
        let grants = walk(&mut c, limit, async |c, page| grant::list(c, &page).await).await?;
        each_once(limit, grants.into_iter().map(|r| r.name).collect(), "all");
    }
    Ok(())
}

#[tokio::test]
async fn secrets_and_changes() -> Result<()> {
    let registry = filled().await?;
    let mut c = registry.connection().await?;
    let (all, _) = change::list(&mut c, change::Filter::default(), &Page { limit: PAGE_MAX, ..Page::default() }).await?;
    for limit in [1, 2, 3, 5, 8, 100] {
        let secrets = walk(&mut c, limit, async |c, page| secret::list(c, Some("corp"), &page).await).await?;
        let mut paths: Vec<String> = secrets.iter().map(|l| l.record.path.to_string()).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!((paths.len(), secrets.len()), (NAMES.len() + 1, NAMES.len() + 1));
        assert_eq!(secrets.iter().map(|l| l.bindings).sum::<u64>(), NAMES.len() as u64);

        let before = |page: &Page| page.after.as_deref().and_then(|a| a.parse().ok()).map(lockstep_core::revision::Seq::new);
        let changes = walk(&mut c, limit, async |c, page| {
            change::list(c, change::Filter { before: before(&page), ..change::Filter::default() }, &page).await
        })
        .await?;
        assert_eq!(changes, all);
    }
    Ok(())
}

#[tokio::test]
async fn deliveries_and_placements_also_where_a_deleted_bindings_tombstone_bears_the_same_name() -> Result<()> {
    let registry = filled().await?;
    for name in ["a", "ab"] {
        registry.unbind(name).await?;
        registry.bind(name, spec(&["payments/x"], "")?).await?;
    }
    let mut c = registry.connection().await?;
    let (squared, tombstones) = (NAMES.len() * NAMES.len(), 2 * NAMES.len());
    for limit in [1, 2, 3, 7, 8, squared, squared + tombstones, PAGE_MAX] {
        let deliveries = walk(&mut c, limit, async |c, page| delivery::list(c, Filter::default(), &page).await).await?;
        let names: Vec<_> = deliveries.iter().map(|d| (d.cluster.as_str(), d.binding.as_str())).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        assert_eq!(names.len(), squared);
        let placements = walk(&mut c, limit, async |c, page| placement::list(c, None, None, &page).await).await?;
        let removed = placements.iter().filter(|p| p.answer == "Removed").count();
        assert_eq!((placements.len(), removed), (squared + tombstones, tombstones), "by {limit}");
        let of_one = walk(&mut c, limit, async |c, page| {
            delivery::list(c, Filter { binding: Some("ab"), cluster: Some("a-b"), ..Filter::default() }, &page).await
        })
        .await?;
        assert_eq!(of_one.len(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_selector_leaves_out_what_it_does_not_select() -> Result<()> {
    let registry = filled().await?;
    registry.cluster("ab", "env=dev").await?;
    let mut c = registry.connection().await?;
    let selector: Selector = "env=prod".parse()?;
    let clusters = walk(&mut c, 2, async |c, page| cluster::list(c, &Page { selector: selector.clone(), ..page }).await).await?;
    assert_eq!(clusters.len(), NAMES.len() - 1);
    assert!(clusters.iter().all(|r| r.name != "ab"));
    Ok(())
}

#[tokio::test]
async fn a_page_has_at_least_one_item_and_at_most_the_limit_of_all_pages() -> Result<()> {
    let registry = Registry::new().await?;
    registry.sql("insert into cluster (name, seq) select 'c' || i, 1 from generate_series(1, 1005) i").await?;
    let mut c = registry.connection().await?;
    for (limit, size) in [(0, 1), (PAGE_MAX, PAGE_MAX), (PAGE_MAX + 1, PAGE_MAX), (usize::MAX, PAGE_MAX)] {
        let (page, next) = cluster::list(&mut c, &Page { limit, ..Page::default() }).await?;
        assert_eq!((page.len(), next.is_some()), (size, true), "limit {limit}");
        let (changes, _) = change::list(&mut c, change::Filter::default(), &Page { limit, ..Page::default() }).await?;
        assert_eq!(changes.len(), 1, "limit {limit}");
    }
    Ok(())
}
