//! Looking for something in the history, and checking it without trusting the server.

use anyhow::Result;
use lockstep_api::change::HistoryRecords;
use lockstep_core::history::{ChangeBody, ChangeHash, chain};
use lockstep_core::revision::{Epoch, Seq};
use serde_json::{Value, json};

use crate::fixture::{ACTOR, Api, binding};

async fn kinds(api: &Api, query: &str) -> Result<Vec<String>> {
    let list = api.get(&format!("/v1/changes?{query}")).await?.ok().body;
    let text = |change: &Value| change["kind"].as_str().unwrap().to_owned();
    Ok(list["items"].as_array().unwrap().iter().map(text).collect())
}

#[tokio::test]
async fn changes_are_found_by_who_what_where_and_when() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    api.post("/v1/clusters/eu-1/pause", None).await?.ok();
    let ci = api.mint("ci", "operator", &json!({"everything": true})).await?;
    api.send_as(&ci, "POST", "/v1/clusters/eu-1/resume", &[], None).await?.ok();
    assert_eq!(kinds(&api, "actor=token:ci").await?, ["ClusterResumed"]);
    assert_eq!(kinds(&api, &format!("cluster=eu-1&actor={ACTOR}")).await?, ["ClusterPaused", "ClusterWritten"]);
    assert_eq!(kinds(&api, "kind=BindingWritten").await?, ["BindingWritten"]);
    assert_eq!(kinds(&api, "secret=payments/db").await?, ["BindingWritten"]);
    assert_eq!(kinds(&api, "secret=corp/kv/payments/db&kind=ClusterPaused").await?, Vec::<String>::new());
    assert_eq!(kinds(&api, "kind=ClusterPaused&sinceSeconds=3600").await?, ["ClusterPaused"]);
    let head = api.seq().await?;
    assert_eq!(kinds(&api, &format!("after={}", head - 1)).await?, ["ClusterResumed"]);
    assert_eq!(api.get("/v1/changes?secret=payments/none").await?.code(), "not-found");
    api.sql("update change set at = at - interval '2 hours'").await?;
    assert_eq!(kinds(&api, "sinceSeconds=3600").await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn what_was_done_with_a_secret_is_found_after_its_binding_went() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    api.sql(
        "insert into change (seq, epoch, at, actor, kind, subject, detail, hash) select seq + 1, 1, now(), 'watch:corp', 'VersionsObserved', \
             'source/corp', '{\"secrets\": [{\"mount\": \"kv\", \"path\": \"payments/db\"}]}', decode(repeat('00', 32), 'hex') from registry",
    )
    .await?;
    api.sql("update registry set seq = seq + 1").await?;
    api.delete("/v1/bindings/checkout-db").await?.ok();
    assert_eq!(kinds(&api, "secret=payments/db").await?, ["VersionsObserved", "BindingWritten"]);
    Ok(())
}

#[tokio::test]
async fn a_page_that_found_nothing_among_many_says_where_to_go_on() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.sql(
        "insert into change (seq, epoch, at, actor, kind, subject, detail, hash) select r.seq + n, 1, now(), 'watch:corp', 'VersionsObserved', \
             'source/corp', '{}', decode(repeat('00', 32), 'hex') from registry r, generate_series(1, 20500) n",
    )
    .await?;
    let first = api.get("/v1/changes?kind=GrantWritten").await?.ok().body;
    assert_eq!(first["items"], json!([]));
    let next = first["metadata"]["continue"].as_str().unwrap();
    assert_eq!(kinds(&api, &format!("kind=GrantWritten&continue={next}")).await?, ["GrantWritten"]);
    Ok(())
}

#[tokio::test]
async fn the_chain_can_be_checked_from_what_is_answered_alone() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    api.apply(&binding()).await?;
    let (mut previous, mut seq) = (ChangeHash::ORIGIN, 0);
    loop {
        let page = api.get(&format!("/v1/history/records?after={seq}&limit=3")).await?.ok().body;
        let page: HistoryRecords = serde_json::from_value(page)?;
        for record in &page.items {
            let body = ChangeBody {
                epoch: Epoch::new(record.epoch),
                seq: Seq::new(record.seq),
                at: record.at,
                actor: &record.actor,
                kind: &record.kind,
                subject: &record.subject,
                detail: &record.detail,
            };
            previous = chain(&previous, &body);
            assert_eq!((record.seq, &record.hash), (seq + 1, &previous.to_string()));
            seq = record.seq;
        }
        if page.items.is_empty() {
            assert_eq!((page.head.seq, page.head.hash), (seq, previous.to_string()));
            return Ok(());
        }
    }
}
