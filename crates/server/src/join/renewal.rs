//! Renewing an expired certificate: the agent proves that it still has the recorded key.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use chrono::TimeDelta;
use lockstep_core::cluster::Admittance;
use lockstep_proto::RENEW_CONTEXT;
use lockstep_proto::v1::{JoinResponse, RenewRequest};
use lockstep_store::{StoreError, agent_certificate, cluster, pool};
use tonic::Status;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::authority::{agent_identity, certificate_key_hash, request_key_hash};
use crate::clock;
use crate::join::{Service, nonce};

/// Checks nonce, signature and record, and signs. The certificate itself proves nothing here, it only says whose record to look at:
/// its key must be the recorded one.
pub(super) async fn renew(service: &Service, request: &RenewRequest) -> Result<JoinResponse, Status> {
    let now = clock::now();
    let refused = || Status::permission_denied("this certificate cannot be renewed: join the cluster again with a new token");
    if !nonce::is_good(&service.digests, &request.certificate_der, &request.nonce, now) {
        return Err(Status::failed_precondition("the nonce is not ours or too old: ask for another"));
    }
    let (identity, _) = agent_identity(&request.certificate_der).map_err(|_| refused())?;
    let key = certificate_key_hash(&request.certificate_der).map_err(|_| refused())?;
    if !is_signed(request) || request_key_hash(&request.csr_der).ok().as_ref() != Some(&key) {
        return Err(refused());
    }
    let unavailable = |error: StoreError| {
        tracing::warn!(%error, "a renewal could not be decided");
        Status::unavailable("the registry does not answer")
    };
    let mut connection = pool::acquire(&service.app.pool).await.map_err(unavailable)?;
    let recorded = agent_certificate::get(&mut connection, identity.instance).await.map_err(unavailable)?.ok_or_else(refused)?;
    let registered = match cluster::by_id(&mut connection, identity.cluster).await {
        Ok(registered) => registered,
        Err(StoreError::NotFound { .. }) => return Err(refused()),
        Err(error) => return Err(unavailable(error)),
    };
    drop(connection);
    let grace = TimeDelta::days(i64::from(service.app.config.agents.renewal_grace_days));
    let good = recorded.public_key == key
        && now <= recorded.not_after + grace
        && registered.spec.life().admittance(identity.instance) == Admittance::Full;
    if !good {
        return Err(refused());
    }
    service.sign(&identity, &registered.name, &request.csr_der, key).await
}

fn is_signed(request: &RenewRequest) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(&request.certificate_der) else { return false };
    let message = [RENEW_CONTEXT, &request.nonce].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &certificate.public_key().subject_public_key.data)
        .verify(&message, &request.signature)
        .is_ok()
}
