use anyhow::Result;
use serde_json::json;

use crate::fixture::{Api, CORP_ADDRESS, HIDDEN_ADDRESS, source};

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
