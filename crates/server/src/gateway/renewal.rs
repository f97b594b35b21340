//! Renewing an agent's certificate over its stream.

use lockstep_core::id::SessionId;
use lockstep_core::spiffe::AgentIdentity;
use lockstep_proto::v1;
use lockstep_store::{agent_certificate, pool, session};

use crate::app::App;
use crate::authority::request_key_hash;

/// What is said to an agent that may not have a new one.
pub(super) const REFUSED: &str = "the cluster was revoked, or is another installation's: the certificate is not renewed";

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
        // Asked last, in the statement that records it: the cluster may have been revoked while Vault signed.
        let may_have_it =
            agent_certificate::record(&mut connection, identity.cluster, identity.instance, &signed.serial, &recorded).await?;
        if may_have_it {
            session::renewed(&mut connection, stream, signed.not_after).await?;
        }
        anyhow::Ok(may_have_it.then_some(signed))
    };
    match signed.await {
        Ok(None) => {
            app.metrics.joins.with_label_values(&["refused"]).inc();
            tracing::warn!(cluster = name, reason = REFUSED, "an agent's certificate was not renewed");
            refused(REFUSED)
        }
        Ok(Some(signed)) => {
            app.metrics.joins.with_label_values(&["renewed"]).inc();
            tracing::info!(cluster = name, not_after = %signed.not_after, "renewed an agent's certificate");
            v1::Certificate { chain_der: signed.chain_der, roots_der: app.authority.trust().ders(), refused: String::new() }
        }
        Err(error) => {
            app.metrics.joins.with_label_values(&["renewal_failed"]).inc();
            tracing::warn!(cluster = name, error = %format!("{error:#}"), "an agent's certificate could not be renewed");
            refused("the certificate could not be signed now; ask again later")
        }
    }
}

/// No certificate, and why.
pub(super) fn refused(why: &str) -> v1::Certificate {
    v1::Certificate { refused: why.to_owned(), ..v1::Certificate::default() }
}
