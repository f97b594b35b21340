//! An issuer whose certificate no machine trusts by itself.

use anyhow::Result;
use lockstep_server::oidc::{Failure, Issuers, Refused};
use lockstep_testbed::{Folder, OpenBao, port};
use serde_json::{Value, json};

use crate::fixture::{Idp, judge};

#[tokio::test]
async fn only_the_authority_of_the_configuration_is_trusted() -> Result<()> {
    let folder = Folder::new("oidc")?;
    let file = |name: &str| folder.path().join(name);
    let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    std::fs::write(file("own.crt"), own.cert.pem())?;
    std::fs::write(file("own.key"), own.signing_key.serialize_pem())?;
    std::fs::write(file("other.crt"), other.cert.pem())?;
    let port = port::free()?;
    let listener = format!(
        "listener \"tcp\" {{\n address = \"127.0.0.1:{port}\"\n tls_cert_file = \"{}\"\n tls_key_file = \"{}\"\n}}\n",
        file("own.crt").display(),
        file("own.key").display()
    );
    let bao = OpenBao::start_with(&listener).await?;
    let idp = Idp::at(&bao, &format!("https://127.0.0.1:{port}")).await?;
    idp.make_key("tls", "RS256").await?;
    let token = idp.token("tls").await?;

    let trusting = |ca: Value| Issuers::new(&[idp.config(&json!({ "caFile": ca }))]);
    let identity = judge(&trusting(json!(file("own.crt")))?, &token).await?;
    assert_eq!(identity.user, idp.entity);
    for (what, ca) in [("another authority", json!(file("other.crt"))), ("the system's", Value::Null)] {
        let refused = judge(&trusting(ca)?, &token).await.unwrap_err();
        assert!(matches!(&refused, Refused::Unavailable { why: Failure::Exchange { .. }, .. }), "{what}: {refused}");
        assert!(refused.to_string().contains("invalid peer certificate"), "{what}: {refused}");
    }
    Ok(())
}
