use anyhow::Result;
use lockstep_testbed::OpenBao;
use serde_json::json;

use crate::fixture::{Api, CORP_ADDRESS, HIDDEN_ADDRESS, binding, source};

#[tokio::test]
async fn credentials_go_only_where_the_configuration_allows_and_nothing_else_of_it_is_told() -> Result<()> {
    let api = Api::start().await?;
    for (addresses, credentials, want) in [
        (json!([CORP_ADDRESS]), "corp", vec![]),
        (json!([CORP_ADDRESS, "https://evil.example:8200"]), "corp", vec!["spec.addresses[1]"]),
        (json!(["http://vault.corp.example:8200"]), "corp", vec!["spec.addresses[0]"]),
        (json!(["https://vault.corp.example"]), "corp", vec!["spec.addresses[0]"]),
        (json!(["https://vault.corp.example:8200/v1"]), "corp", vec!["spec.addresses[0]"]),
        (json!([CORP_ADDRESS]), "home", vec!["spec.addresses[0]"]),
        (json!([CORP_ADDRESS]), "nobody", vec!["spec.credentials"]),
        (json!([]), "corp", vec!["spec.addresses"]),
    ] {
        let mut manifest = source();
        manifest["spec"]["addresses"] = addresses.clone();
        manifest["spec"]["credentials"] = json!(credentials);
        let answer = api.put("/v1/sources/corp?dryRun=All", &manifest).await?;
        assert_eq!(answer.fields(), want, "{addresses} {credentials}: {}", answer.text);
        assert_eq!(answer.status.as_u16(), if want.is_empty() { 201 } else { 422 });
        // The fixture looks for the address of another set in every answer; here it is looked for by name.
        assert!(!answer.text.contains(HIDDEN_ADDRESS));
    }
    Ok(())
}

#[tokio::test]
async fn a_source_says_whether_it_is_watched() -> Result<()> {
    let api = Api::start().await?;
    let reason = async || -> Result<String> {
        let body = api.get("/v1/sources/corp").await?.ok().body;
        Ok(body["status"]["conditions"][0]["reason"].as_str().unwrap().to_owned())
    };
    api.furnish().await?;
    assert_eq!(reason().await?, "Unused");
    api.apply(&crate::fixture::binding()).await?;
    assert_eq!(reason().await?, "NotYetWatched");
    api.sql("insert into source_watch (source_id, swept_at) select id, now() from source").await?;
    assert_eq!(reason().await?, "Watched");
    api.sql("update source_watch set failing = 'it is sealed'").await?;
    assert_eq!(reason().await?, "Failing");
    Ok(())
}

#[tokio::test]
async fn a_source_cannot_be_given_a_secret_in_any_field() -> Result<()> {
    let api = Api::start().await?;
    for (field, value) in
        [("token", "s.xyz"), ("secretId", "s.xyz"), ("ca", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----")]
    {
        let mut manifest = source();
        manifest["spec"][field] = json!(value);
        let answer = api.put("/v1/sources/corp", &manifest).await?;
        assert_eq!((answer.status.as_u16(), answer.fields()), (422, vec![format!("spec.{field}").as_str()]), "{}", answer.text);
        assert!(!answer.text.contains(value), "{}", answer.text);
    }
    let mut manifest = source();
    manifest["spec"]["addresses"] = json!(["https://user:password@vault.corp.example:8200"]);
    let answer = api.put("/v1/sources/corp", &manifest).await?;
    assert!(answer.status == 422 && !answer.text.contains("password"), "{}", answer.text);
    Ok(())
}

#[tokio::test]
async fn a_check_says_how_far_it_came_and_a_policy_names_what_is_bound() -> Result<()> {
    let api = Api::start().await?;
    api.furnish().await?;
    let nothing = api.get("/v1/sources/corp/policy").await?.ok().body;
    assert_eq!(nothing, json!({"secrets": 0, "policy": ""}));
    api.apply(&binding()).await?;
    let policy = api.get("/v1/sources/corp/policy").await?.ok().body;
    let want = "path \"kv/metadata/payments/db\" { capabilities = [\"read\"] }\npath \"kv/data/payments/db\" { capabilities = [\"read\"] }\n";
    assert_eq!(policy, json!({"secrets": 1, "policy": want}));
    // Nobody is at that address.
    let away = api.post("/v1/sources/corp/check", None).await?.ok().body;
    assert_eq!(
        (&away["ok"], &away["steps"][0]["what"], away["steps"].as_array().unwrap().len()),
        (&json!(false), &json!("node"), 1)
    );

    let mut home = source();
    home["metadata"]["name"] = json!("home");
    home["spec"] = json!({"addresses": [OpenBao::shared().await?.addr()], "credentials": "home"});
    api.apply(&home).await?;
    let checked = api.post("/v1/sources/home/check", None).await?.ok().body;
    let steps: Vec<_> =
        checked["steps"].as_array().unwrap().iter().map(|s| (s["what"].as_str().unwrap(), s["ok"] == true)).collect();
    assert_eq!((&checked["ok"], steps), (&json!(true), vec![("node", true), ("login", true), ("rights", true)]));
    assert_eq!(api.post("/v1/sources/nowhere/check", None).await?.code(), "not-found");
    Ok(())
}
