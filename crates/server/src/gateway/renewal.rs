//! Renewing an agent's certificate over its stream.

use lockstep_core::id::SessionId;
use lockstep_core::spiffe::AgentIdentity;
use lockstep_proto::v1;
use lockstep_store::{agent_certificate, pool, session};

use crate::app::App;
use crate::authority::request_key_hash;

/// Signs a new certificate for the identity of the present one.
pub(super) async fn renew(
    app: App,
    stream: SessionId,
    identity: AgentIdentity,
    name: String,
    csr_der: Vec<u8>,
) -> v1::Certificate {
    let signed = async {
        let public_key = request_key_hash(&csr_der)?;
        let signed = app.authority.sign_agent(&identity, &csr_der).await?;
        let recorded = agent_certificate::Recorded { public_key, not_after: signed.not_after };
        let mut connection = pool::acquire(&app.pool).await?;
        agent_certificate::record(&mut connection, identity.cluster, identity.instance, &signed.serial, &recorded).await?;
        session::renewed(&mut connection, stream, signed.not_after).await?;
        anyhow::Ok(signed)
    };
    match signed.await {
        Ok(signed) => {
            app.metrics.joins.with_label_values(&["renewed"]).inc();
            tracing::info!(cluster = name, not_after = %signed.not_after, "renewed an agent's certificate");
            let roots = app.authority.roots().iter().map(|r| r.to_vec()).collect();
            v1::Certificate { chain_der: signed.chain_der, roots_der: roots, refused: String::new() }
        }
        Err(error) => {
            app.metrics.joins.with_label_values(&["renewal_failed"]).inc();
            tracing::warn!(cluster = name, error = %format!("{error:#}"), "an agent's certificate could not be renewed");
            v1::Certificate {
                refused: "the certificate could not be signed now; ask again later".to_owned(),
                ..v1::Certificate::default()
            }
        }
    }
}
