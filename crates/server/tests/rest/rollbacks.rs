//! Rolling back and unpinning, at a real OpenBao. Nobody watches here: what was seen is written into the registry.

use anyhow::{Context as _, Result};
use lockstep_testbed::OpenBao;
use serde_json::{Value, json};

use crate::fixture::{Answer, Api, binding, cluster, grant, project, source};

const ROLLBACK: &str = "/v1/bindings/checkout-db/rollback";
const UNPIN: &str = "/v1/bindings/checkout-db/unpin";

struct Story {
    api: Api,
    bao: &'static OpenBao,
    mount: String,
}

impl Story {
    /// Versions 1 to 4 of a secret, of which 2 is destroyed and 3 is deleted; 4 is delivered.
    async fn new() -> Result<Self> {
        let (api, bao) = (Api::start().await?, OpenBao::shared().await?);
        let mount = format!("rollback-{}", uuid::Uuid::new_v4().simple());
        bao.enable_kv(&mount).await?;
        let story = Self { api, bao, mount };
        for number in 1..=4 {
            story.bao.kv_put(&story.mount, "payments/db", &json!({ "username": format!("u{number}") })).await?;
        }
        bao.kv_destroy(&story.mount, "payments/db", &[2]).await?;
        bao.kv_soft_delete(&story.mount, "payments/db", &[3]).await?;
        let (mut source, mut grant) = (source(), grant());
        source["spec"] = json!({"addresses": [bao.addr()], "credentials": "home"});
        grant["spec"]["paths"][0]["mount"] = json!(story.mount);
        for manifest in [project(), source, cluster("eu-1", "prod"), grant, story.binding()] {
            story.api.apply(&manifest).await?;
        }
        Ok(story)
    }

    fn binding(&self) -> Value {
        let mut binding = binding();
        binding["spec"]["items"][0]["mount"] = json!(self.mount);
        binding
    }

    /// What the watcher would write.
    async fn saw(&self, number: u64) -> Result<()> {
        let metadata = self.bao.kv_metadata(&self.mount, "payments/db").await?;
        let made = metadata["created_time"].as_str().context("a time")?;
        let of_version = metadata["versions"][number.to_string()]["created_time"].as_str().context("a time")?;
        let sql = format!(
            "update secret set state = 'Live', latest_incarnation = x.i, latest_number = {number}, latest_created = x.c, \
                 chosen_incarnation = x.i, chosen_number = {number}, chosen_created = x.c \
             from (select date_trunc('microseconds', '{made}'::timestamptz) as i, '{of_version}'::timestamptz as c) x \
             where mount = '{}'",
            self.mount
        );
        // Postgres rounds, where times are cut everywhere else.
        let cut = |text: &str, sql: String| sql.replace(text, &format!("{}Z", &text[..26.min(text.len() - 1)]));
        self.api.sql(&cut(of_version, cut(made, sql))).await?;
        Ok(())
    }

    async fn rollback(&self, body: Value) -> Result<Answer> {
        self.api.post(ROLLBACK, Some(&body)).await
    }

    async fn pinned(&self) -> Result<Value> {
        let mut body = self.api.get("/v1/bindings/checkout-db").await?.ok().body;
        assert_eq!(body["spec"]["items"][0]["version"], body["status"]["pinned"][0]["version"]);
        Ok(body["status"]["pinned"].take())
    }

    async fn last_change(&self) -> Result<Value> {
        let mut body = self.api.get("/v1/changes?subject=binding/checkout-db").await?.ok().body;
        let items = body["items"].as_array_mut().context("a list")?;
        items.sort_by_key(|change| change["seq"].as_u64());
        items.pop().context("a change")
    }
}

#[tokio::test]
async fn a_binding_goes_back_to_the_newest_live_version_before_and_unpinning_follows_the_newest() -> Result<()> {
    let story = Story::new().await?;
    story.saw(4).await?;
    let secret = format!("corp/{}/payments/db", story.mount);
    let before = story.api.get("/v1/bindings/checkout-db").await?.ok();
    let tried = story.api.post(&format!("{ROLLBACK}?dryRun=All"), None).await?.ok();
    assert_eq!((tried.header("lockstep-result"), story.pinned().await?), ("configured", Value::Null));

    let done = story.api.post(ROLLBACK, None).await?.ok();
    let pinned = json!([{"secret": secret, "version": 1, "newest": 4}]);
    assert_eq!((done.header("lockstep-result"), &done.body["status"]["pinned"]), ("configured", &pinned));
    assert_ne!(done.header("etag"), before.header("etag"));
    assert_eq!(story.pinned().await?, pinned);
    let change = story.last_change().await?;
    assert_eq!(change["kind"], "BindingRolledBack");
    assert_eq!(change["detail"]["pins"], json!([{"secret": secret, "from": null, "to": 1}]));
    let again = story.rollback(json!({"to": 1})).await?.ok();
    assert_eq!(again.header("lockstep-result"), "unchanged");

    let freed = story.api.post(UNPIN, None).await?.ok();
    assert_eq!((freed.header("lockstep-result"), story.pinned().await?), ("configured", Value::Null));
    let change = story.last_change().await?;
    assert_eq!(change["kind"], "BindingUnpinned");
    assert_eq!(change["detail"]["pins"], json!([{"secret": secret, "from": 1, "to": null}]));
    assert_eq!(story.api.post(UNPIN, None).await?.ok().header("lockstep-result"), "unchanged");

    // An old manifest of Git's has no pin either.
    story.rollback(json!({"to": 1, "item": format!("{}/payments/db", story.mount)})).await?.ok();
    story.api.apply(&story.binding()).await?;
    assert_eq!(story.pinned().await?, Value::Null);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_what_to_do_and_nothing_is_pinned() -> Result<()> {
    let story = Story::new().await?;
    let unseen = story.rollback(json!({})).await?;
    assert!(unseen.code() == "wrong-state" && unseen.text.contains("nobody has seen"), "{}", unseen.text);
    story.saw(4).await?;
    for (body, code, says) in [
        (json!({"to": 2}), "wrong-state", "version 2 is destroyed"),
        (json!({"to": 3}), "wrong-state", "undelete it there first"),
        (json!({"to": 9}), "wrong-state", "it has 1 to 4"),
        (json!({"to": 0}), "invalid-manifest", "versions begin at 1"),
        (json!({"to": 1, "item": "kv/other"}), "invalid-manifest", "it delivers corp/"),
        (json!({"version": 1}), "invalid-manifest", "version"),
    ] {
        let answer = story.rollback(body.clone()).await?;
        assert!(answer.code() == code && answer.text.contains(says), "{body}: {}", answer.text);
    }
    let stale = story.api.send("POST", ROLLBACK, &[("if-match", "\"1\"")], Some(&json!({"to": 1}))).await?;
    assert_eq!(stale.code(), "conflict", "{}", stale.text);
    story.saw(1).await?;
    let only = story.rollback(json!({})).await?;
    assert!(only.text.contains("no version before 1"), "{}", only.text);
    story.saw(4).await?;
    story.bao.kv_delete_metadata(&story.mount, "payments/db").await?;
    story.bao.kv_put(&story.mount, "payments/db", &json!({ "username": "anew" })).await?;
    let anew = story.rollback(json!({"to": 1})).await?;
    assert!(anew.code() == "wrong-state" && anew.text.contains("made anew"), "{}", anew.text);
    assert_eq!(story.pinned().await?, Value::Null);
    assert_eq!(story.api.post("/v1/bindings/never/rollback", None).await?.code(), "not-found");
    Ok(())
}

#[tokio::test]
async fn of_several_secrets_one_is_named() -> Result<()> {
    let story = Story::new().await?;
    let mut two = story.binding();
    let mut other = two["spec"]["items"][0].clone();
    other["path"] = json!("payments/other");
    other["keys"] = json!({"username": "OTHER"});
    two["spec"]["items"].as_array_mut().context("items")?.push(other);
    story.api.apply(&two).await?;
    story.saw(4).await?;
    let unnamed = story.rollback(json!({})).await?;
    assert!(unnamed.code() == "invalid-manifest" && unnamed.text.contains("payments/other"), "{}", unnamed.text);
    let item = format!("corp/{}/payments/db", story.mount);
    let done = story.rollback(json!({"item": item})).await?.ok().body;
    assert_eq!(done["spec"]["items"][1]["version"], Value::Null);
    assert_eq!(done["status"]["pinned"][0]["version"], 1);
    let wrong = story.api.post(UNPIN, Some(&json!({"item": "kv/none"}))).await?;
    assert_eq!(wrong.code(), "invalid-manifest");
    story.api.post(UNPIN, Some(&json!({ "item": item }))).await?.ok();
    assert_eq!(story.pinned().await?, Value::Null);
    Ok(())
}
