//! Two teams on one control plane: neither sees or moves what is the other's.

use anyhow::Result;
use serde_json::{Value, json};

use crate::fixture::{Answer, Api, HIDDEN_ADDRESS, binding, cluster, source};

struct Team<'a> {
    api: &'a Api,
    token: String,
}

impl Team<'_> {
    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.api.send_as(&self.token, method, path, &[], body).await
    }

    async fn names(&self, plural: &str) -> Result<Vec<String>> {
        let answer = self.send("GET", &format!("/v1/{plural}"), None).await?.ok();
        Ok(answer.names().into_iter().map(str::to_owned).collect())
    }

    async fn count(&self, plural: &str) -> Result<usize> {
        Ok(self.send("GET", &format!("/v1/{plural}"), None).await?.ok().body["items"].as_array().unwrap().len())
    }
}

fn of(project: &str, mut manifest: Value, name: &str) -> Value {
    manifest["metadata"]["name"] = json!(name);
    manifest["spec"]["project"] = json!(project);
    manifest
}

/// Projects `payments` and `billing`, each with a binding of its own and an operator; only `payments` has a grant.
async fn two_teams(api: &Api) -> Result<(Team<'_>, Team<'_>)> {
    api.furnish().await?;
    let billing = json!({"apiVersion": "lockstep.dev/v1", "kind": "Project", "metadata": {"name": "billing"}, "spec": {}});
    api.apply(&billing).await?;
    api.apply(&binding()).await?;
    let mut theirs = of("billing", binding(), "invoices");
    theirs["spec"]["target"]["secret"]["name"] = json!("invoices");
    theirs["spec"]["items"][0]["path"] = json!("billing/db");
    api.apply(&theirs).await?;
    let payments = api.mint("payments-ci", "operator", &json!({"project": "payments"})).await?;
    let billing = api.mint("billing-ci", "operator", &json!({"project": "billing"})).await?;
    Ok((Team { api, token: payments }, Team { api, token: billing }))
}

#[tokio::test]
async fn each_sees_its_own_and_what_is_common() -> Result<()> {
    let api = Api::start().await?;
    let (payments, billing) = two_teams(&api).await?;
    assert_eq!(payments.names("bindings").await?, ["checkout-db"]);
    assert_eq!(billing.names("bindings").await?, ["invoices"]);
    assert_eq!(
        (payments.names("projects").await?, billing.names("projects").await?),
        (vec!["payments".to_owned()], vec!["billing".to_owned()])
    );
    assert_eq!((payments.count("grants").await?, billing.count("grants").await?), (1, 0));
    for plural in ["placements", "deliveries"] {
        let answer = billing.send("GET", &format!("/v1/{plural}"), None).await?.ok();
        let bindings: Vec<_> = answer.body["items"].as_array().unwrap().iter().map(|i| i["binding"].as_str().unwrap()).collect();
        assert_eq!(bindings, ["invoices", "invoices"], "{plural}");
        assert_eq!(billing.send("GET", &format!("/v1/{plural}?binding=checkout-db"), None).await?.ok().body["items"], json!([]));
    }
    let secrets = billing.send("GET", "/v1/secrets", None).await?.ok();
    assert_eq!((secrets.body["items"].as_array().unwrap().len(), &secrets.body["items"][0]["path"]), (1, &json!("billing/db")));
    // One that is another's and one that is not there are told alike.
    let theirs = billing.send("GET", "/v1/bindings/checkout-db", None).await?;
    let nothing = billing.send("GET", "/v1/bindings/nothing", None).await?;
    assert_eq!((theirs.status, theirs.code()), (nothing.status, nothing.code()));
    assert_eq!(theirs.text.replace("checkout-db", "nothing"), nothing.text);
    // How a cluster is tells of all projects; which clusters there are is common.
    let cluster = billing.send("GET", "/v1/clusters/eu-1", None).await?.ok();
    assert_eq!((&cluster.body["metadata"]["labels"]["env"], &cluster.body["status"]), (&json!("prod"), &Value::Null));
    assert_eq!(billing.names("sources").await?, ["corp"]);
    assert_eq!(billing.send("GET", "/v1/changes", None).await?.code(), "forbidden");
    Ok(())
}

#[tokio::test]
async fn a_cluster_team_sees_what_is_delivered_to_its_clusters_whoever_binds_it() -> Result<()> {
    let api = Api::start().await?;
    two_teams(&api).await?;
    api.apply(&cluster("us-1", "prod")).await?;
    let mut us = cluster("us-1", "prod");
    us["metadata"]["labels"]["region"] = json!("us");
    api.apply(&us).await?;
    let scope = json!({"clusters": {"matchLabels": {"region": "us"}}});
    let fleet = Team { api: &api, token: api.mint("us-ops", "operator", &scope).await? };
    for plural in ["placements", "deliveries"] {
        let answer = fleet.send("GET", &format!("/v1/{plural}"), None).await?.ok();
        let seen: Vec<_> = answer.body["items"].as_array().unwrap().iter().map(|i| (&i["cluster"], &i["binding"])).collect();
        assert_eq!(seen, [(&json!("us-1"), &json!("checkout-db")), (&json!("us-1"), &json!("invoices"))], "{plural}");
    }
    // Where a binding is denied its secret is none of the cluster's.
    assert_eq!(fleet.send("GET", "/v1/secrets", None).await?.ok().body["items"].as_array().unwrap().len(), 1);
    assert_eq!(fleet.count("bindings").await?, 0);
    assert_eq!(fleet.send("POST", "/v1/clusters/us-1/pause", None).await?.ok().header("lockstep-result"), "configured");
    assert_eq!(fleet.send("POST", "/v1/clusters/eu-1/pause", None).await?.code(), "forbidden");
    assert!(fleet.send("GET", "/v1/clusters/us-1", None).await?.ok().body["status"].is_object());
    Ok(())
}

#[tokio::test]
async fn what_is_anothers_cannot_be_written_taken_over_or_deleted() -> Result<()> {
    let api = Api::start().await?;
    let (_, billing) = two_teams(&api).await?;
    let seq = api.seq().await?;
    for (method, path, body) in [
        ("PUT", "/v1/bindings/checkout-db", Some(binding())),
        // A name is taken without saying by whom.
        ("PUT", "/v1/bindings/checkout-db", Some(of("billing", binding(), "checkout-db"))),
        ("PUT", "/v1/bindings/new", Some(of("payments", binding(), "new"))),
        ("POST", "/v1/bindings", Some(of("payments", binding(), "new"))),
        ("POST", "/v1/bindings?dryRun=All", Some(of("payments", binding(), "new"))),
        ("PUT", "/v1/grants/mine", Some(of("billing", crate::fixture::grant(), "mine"))),
        ("PUT", "/v1/clusters/eu-1", Some(cluster("eu-1", "prod"))),
        ("POST", "/v1/clusters/eu-1/join-tokens", None),
    ] {
        let answer = billing.send(method, path, body.as_ref()).await?;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, "forbidden"), "{method} {path}: {}", answer.text);
        assert!(!answer.text.contains("project payments") || !path.ends_with("checkout-db"), "{}", answer.text);
    }
    assert_eq!(billing.send("DELETE", "/v1/bindings/checkout-db", None).await?.code(), "not-found");
    assert_eq!(api.seq().await?, seq, "nothing was written");
    // Whoever asks for what nobody granted him has it denied, by name, in every cluster.
    let mut greedy = of("billing", binding(), "greedy");
    greedy["spec"]["target"]["secret"]["name"] = json!("greedy");
    billing.send("PUT", "/v1/bindings/greedy", Some(&greedy)).await?.ok();
    let denied = billing.send("GET", "/v1/deliveries?binding=greedy", None).await?.ok();
    assert_eq!(denied.body["items"].as_array().unwrap().iter().map(|d| &d["status"]).collect::<Vec<_>>(), ["Denied", "Denied"]);
    assert!(
        denied.body["items"][0]["cause"]
            .as_str()
            .unwrap()
            .contains("no grant of the project allows source corp, mount kv, path payments/db")
    );
    Ok(())
}

#[tokio::test]
async fn a_label_that_grants_or_roles_depend_on_is_an_administrators() -> Result<()> {
    let api = Api::start().await?;
    two_teams(&api).await?;
    let mut lab = cluster("lab", "dev");
    lab["metadata"]["labels"]["region"] = json!("us");
    api.apply(&lab).await?;
    let scope = json!({"clusters": {"matchLabels": {"region": "us"}}});
    let fleet = Team { api: &api, token: api.mint("us-ops", "operator", &scope).await? };
    let put = async |labels: Value| {
        let mut manifest = lab.clone();
        manifest["metadata"]["labels"] = labels;
        fleet.send("PUT", "/v1/clusters/lab", Some(&manifest)).await
    };
    put(json!({"env": "dev", "region": "us", "tier": "one"})).await?.ok();
    let seq = api.seq().await?;
    for (labels, why) in [
        // It would get what is granted to production.
        (json!({"env": "prod", "region": "us"}), "grants, roles or maintenance windows depend on the label env"),
        (json!({"region": "us"}), "grants, roles or maintenance windows depend on the label env"),
        // It would leave its own team, or be another's.
        (json!({"env": "dev", "region": "eu"}), "operator or admin of clusters with its labels (env=dev,region=eu)"),
    ] {
        let answer = put(labels).await?;
        assert_eq!(answer.code(), "forbidden");
        assert!(answer.text.contains(why), "{}", answer.text);
    }
    let mut new = lab.clone();
    new["metadata"]["name"] = json!("new");
    assert_eq!(fleet.send("POST", "/v1/clusters", Some(&new)).await?.code(), "forbidden", "a new cluster with such labels, too");
    assert_eq!(api.seq().await?, seq);
    Ok(())
}

#[tokio::test]
async fn whose_tokens_an_agent_joins_with_is_an_admins_to_say_as_join_tokens_are() -> Result<()> {
    let api = Api::start().await?;
    let key = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    let issuer = json!({"issuer": "https://i", "subject": "system:serviceaccount:lockstep:agent", "jwks": {"keys": [key]}});
    let manifest = |spec: Value| {
        json!({
            "apiVersion": "lockstep.dev/v1", "kind": "Cluster", "metadata": {"name": "lab", "labels": {"region": "us"}}, "spec": spec,
        })
    };
    let (plain, keyless) = (manifest(json!({})), manifest(json!({ "serviceAccountIssuer": issuer })));
    api.put("/v1/clusters/lab", &plain).await?.ok();
    let scope = json!({"clusters": {"matchLabels": {"region": "us"}}});
    let operator = Team { api: &api, token: api.mint("us-ops", "operator", &scope).await? };
    let admin = Team { api: &api, token: api.mint("us-admins", "admin", &scope).await? };
    assert_eq!(operator.send("PUT", "/v1/clusters/lab", Some(&keyless)).await?.code(), "forbidden");
    admin.send("PUT", "/v1/clusters/lab", Some(&keyless)).await?.ok();
    operator.send("PUT", "/v1/clusters/lab", Some(&keyless)).await?.ok();
    assert_eq!(operator.send("PUT", "/v1/clusters/lab", Some(&plain)).await?.code(), "forbidden", "nor to take away");

    let mut unusable = keyless.clone();
    unusable["spec"]["serviceAccountIssuer"]["jwks"] = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AQAB"}]});
    let answer = admin.send("PUT", "/v1/clusters/lab", Some(&unusable)).await?;
    assert_eq!(answer.fields(), ["spec.serviceAccountIssuer.jwks"]);
    Ok(())
}

#[tokio::test]
async fn credentials_go_to_their_own_addresses_only() -> Result<()> {
    let api = Api::start().await?;
    let (payments, _) = two_teams(&api).await?;
    let mut stolen = source();
    stolen["metadata"]["name"] = json!("stolen");
    stolen["spec"]["addresses"] = json!(["https://vault.attacker.example:8200"]);
    assert_eq!(payments.send("PUT", "/v1/sources/stolen", Some(&stolen)).await?.code(), "forbidden");
    let answer = api.put("/v1/sources/stolen", &stolen).await?;
    assert_eq!(answer.code(), "invalid-manifest", "nor may an administrator");
    assert!(!answer.text.contains(HIDDEN_ADDRESS));
    Ok(())
}

#[tokio::test]
async fn a_template_cannot_name_anothers_secret_and_the_attempt_is_noted() -> Result<()> {
    let api = Api::start().await?;
    let (payments, _) = two_teams(&api).await?;
    for template in ["{% include 'billing/db' %}", "{% import 'kv/billing/db' as theirs %}", "{% extends '/etc/passwd' %}"] {
        let mut reaching = binding();
        reaching["spec"]["templates"] = json!({"OUT": template});
        let answer = payments.send("PUT", "/v1/bindings/checkout-db", Some(&reaching)).await?;
        assert_eq!((answer.code(), answer.fields()), ("invalid-manifest", vec!["spec.templates.OUT"]), "{template}");
    }
    let noted = &api.get("/v1/refusals?actor=token:payments-ci").await?.ok().body["items"][0];
    assert_eq!((&noted["action"], &noted["times"]), (&json!("PUT /v1/bindings/{name}"), &json!(3)));
    Ok(())
}

#[tokio::test]
async fn an_auditor_of_a_project_sees_its_changes_and_no_others() -> Result<()> {
    let api = Api::start().await?;
    two_teams(&api).await?;
    let auditor = Team { api: &api, token: api.mint("billing-audit", "auditor", &json!({"project": "billing"})).await? };
    let subjects = async || {
        let answer = auditor.send("GET", "/v1/changes", None).await?.ok();
        let items = answer.body["items"].as_array().unwrap().clone();
        anyhow::Ok(items.iter().map(|c| c["subject"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(subjects().await?, ["token/billing-audit", "token/billing-ci", "binding/invoices", "project/billing"]);
    api.delete("/v1/bindings/invoices").await?.ok();
    api.delete("/v1/bindings/checkout-db").await?.ok();
    assert_eq!(subjects().await?[0], "binding/invoices", "what was deleted, too");
    Ok(())
}
