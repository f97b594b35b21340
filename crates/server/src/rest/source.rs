//! Sources. Credentials are named here and never given: the server's configuration says what a name may be sent to.

pub(crate) mod check;
pub(crate) mod policy;

use lockstep_api::field::{FieldError, Mistakes};
use lockstep_api::source::{SourceSpec, SourceStatus};
use lockstep_core::access::{Action, Forbidden, Permissions, Place};
use lockstep_core::name::{CredentialsName, NameError};
use lockstep_core::source::SourceSpec as Checked;
use lockstep_store::change::Writing;
use lockstep_store::meta::{Registered, Written};
use lockstep_store::page::Page;
use lockstep_store::secret::{self, Bound};
use lockstep_store::source::{self, SourceRecord};
use lockstep_store::{PgConnection, Result as StoreResult};
use lockstep_vault::{Right, Secret};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;

use super::condition;
use super::problem::ApiError;
use super::query::WriteQuery;
use super::resource::{PageOf, Resource, deleted};
use crate::config::Config;

/// How a source is specified, and the secrets that are bound in it.
async fn bound(connection: &mut PgConnection, name: &str) -> Result<(Checked, Vec<Secret>), ApiError> {
    let found = source::get(connection, name).await?;
    let secrets = secret::bound(connection, found.id.into(), Bound::All).await?;
    Ok((found.spec.spec, secrets.into_iter().map(|s| Secret { engine: s.engine, mount: s.mount, path: s.path }).collect()))
}

/// What the server's own credentials need there.
fn needed_rights(spec: &Checked) -> &'static [Right] {
    if spec.read_as.is_server() { &Right::ALL } else { &[Right::Watch] }
}

/// The largest CA bundle.
const CA_MAX_BYTES: usize = 64 << 10;

/// Sources.
pub(crate) struct Sources;

impl Resource for Sources {
    const KIND: &'static str = "Source";
    const SINGULAR: &'static str = "source";
    const PLURAL: &'static str = "sources";
    const ABOUT: &'static str = "A Vault or OpenBao server, and the name of the credential set to use there.";
    const WRITTEN: &'static str = "SourceWritten";
    const DELETED: &'static str = "SourceDeleted";
    const WRITING: Action = Action::Administer;
    type Spec = SourceSpec;
    type Status = SourceStatus;
    type Checked = Checked;
    type Record = SourceRecord;
    type DeleteQuery = WriteQuery;

    fn check(config: &Config, spec: &SourceSpec) -> Result<Checked, Vec<FieldError>> {
        let mut mistakes = Mistakes::default();
        let checked = match Checked::try_from(spec) {
            Ok(checked) => {
                check_credentials(config, &checked, &mut mistakes);
                Some(checked)
            }
            Err(errors) => {
                for error in errors {
                    mistakes.add(error.field, error.reason);
                }
                None
            }
        };
        if let Some(ca) = &spec.ca {
            mistakes.take("spec.ca", check_ca(ca));
        }
        mistakes.finish(checked)
    }

    fn checked(record: &SourceRecord) -> Checked {
        record.spec.clone()
    }

    fn wire(checked: &Checked) -> SourceSpec {
        checked.into()
    }

    fn may_see(permissions: &Permissions, _: &Registered<SourceRecord>) -> bool {
        permissions.allow(Action::Read, Place::Shared)
    }

    async fn may_put(
        _: &mut PgConnection,
        permissions: &Permissions,
        _: Option<&Registered<SourceRecord>>,
        _: &Written,
        _: &Checked,
    ) -> Result<(), ApiError> {
        Ok(permissions.require(Action::Administer, Place::Everything)?)
    }

    fn may_delete(permissions: &Permissions, _: &Registered<SourceRecord>) -> Result<(), Forbidden> {
        permissions.require(Action::Administer, Place::Everything)
    }

    async fn get(connection: &mut PgConnection, name: &str) -> StoreResult<Registered<SourceRecord>> {
        source::get(connection, name).await
    }

    async fn list(connection: &mut PgConnection, page: &Page) -> StoreResult<PageOf<SourceRecord>> {
        source::list(connection, page).await
    }

    async fn statuses(_: &mut PgConnection, records: &[Registered<SourceRecord>]) -> Result<Vec<SourceStatus>, ApiError> {
        Ok(records.iter().map(|r| status(&r.spec)).collect())
    }

    async fn put(
        writing: &mut Writing,
        _: Option<&Registered<SourceRecord>>,
        written: &Written,
        checked: &Checked,
    ) -> Result<usize, ApiError> {
        let seq = writing.seq;
        source::put(writing.connection(), written, checked, seq).await?;
        Ok(0)
    }

    async fn delete(
        writing: &mut Writing,
        present: &Registered<SourceRecord>,
        _: &WriteQuery,
    ) -> Result<Option<Value>, ApiError> {
        let name = present.name.parse().map_err(|e: NameError| ApiError::internal(e))?;
        source::delete(writing.connection(), &name).await?;
        Ok(Some(deleted(0)))
    }
}

/// The set must be there and list every address. Nothing is told of what else the configuration has.
fn check_credentials(config: &Config, checked: &Checked, mistakes: &mut Mistakes) {
    check_set(config, "spec.credentials", &checked.credentials, checked, mistakes);
    if let Some(name) = &checked.rotation_credentials {
        check_set(config, "spec.rotationCredentials", name, checked, mistakes);
    }
}

fn check_set(config: &Config, field: &str, name: &CredentialsName, checked: &Checked, mistakes: &mut Mistakes) {
    let Some(set) = config.credentials(name) else {
        let reason = format!("the server's configuration has no credential set {name}: ask whoever runs the server for its name");
        return mistakes.add(field, reason);
    };
    for (i, address) in checked.addresses.iter().enumerate() {
        if !set.addresses.contains(address) {
            let reason = format!(
                "credential set {name} may not be sent to {address}: whoever runs the server must add this address to that set, exactly as \
                 it is written here"
            );
            mistakes.add(format!("spec.addresses[{i}]"), reason);
        }
    }
}

/// Certificates and nothing else: a private key pasted along would be stored and shown.
fn check_ca(ca: &str) -> Result<(), String> {
    if ca.len() > CA_MAX_BYTES {
        return Err(format!("longer than the {CA_MAX_BYTES} bytes allowed"));
    }
    if ca.lines().any(|line| line.starts_with("-----BEGIN ") && line.trim_end() != "-----BEGIN CERTIFICATE-----") {
        return Err(
            "holds something else than certificates: give only PEM blocks that begin with -----BEGIN CERTIFICATE-----".to_owned()
        );
    }
    match CertificateDer::pem_slice_iter(ca.as_bytes()).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(()),
        _ => Err("is not PEM: it needs blocks that begin with -----BEGIN CERTIFICATE-----".to_owned()),
    }
}

fn status(record: &SourceRecord) -> SourceStatus {
    let ready = match (&record.failing, record.swept_at) {
        (Some(why), _) => condition::fails("Ready", "Failing", why),
        (None, Some(_)) => condition::holds("Ready", "Watched", "every bound secret was looked at"),
        (None, None) if record.secrets == 0 => condition::unknown("Ready", "Unused", "no binding uses it yet"),
        (None, None) => condition::unknown("Ready", "NotYetWatched", "no replica has looked at it yet"),
    };
    SourceStatus {
        watched_by: record.watched_by.clone(),
        last_swept_at: record.swept_at,
        watch_interval_ms: record.interval.and_then(|interval| interval.as_millis().try_into().ok()),
        secrets: record.secrets,
        conditions: vec![ready],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_in_the_ca_field_is_refused() {
        let pair = rcgen::generate_simple_self_signed(["vault".to_owned()]).unwrap();
        let certificate = pair.cert.pem();
        assert_eq!(check_ca(&certificate), Ok(()));
        assert_eq!(check_ca(&format!("{certificate}{certificate}")), Ok(()));
        assert!(check_ca(&format!("{certificate}{}", pair.signing_key.serialize_pem())).is_err());
        assert!(check_ca("").is_err());
        assert!(check_ca("not PEM").is_err());
        assert!(check_ca(&"x".repeat(CA_MAX_BYTES + 1)).is_err());
    }
}
