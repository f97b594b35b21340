//! From what the registry has to what is shown.

use lockstep_api::manifest::Manifest;
use lockstep_core::access::Permissions;
use lockstep_store::PgConnection;
use lockstep_store::meta::Registered;

use super::{Resource, metadata};
use crate::rest::problem::ApiError;

/// Manifests with as much of their statuses as the caller may see, in the same order.
pub(crate) async fn show<K: Resource>(
    connection: &mut PgConnection,
    permissions: &Permissions,
    records: Vec<Registered<K::Record>>,
) -> Result<Vec<Manifest<K::Spec, K::Status>>, ApiError> {
    let statuses = K::statuses(connection, &records).await?;
    let status = |record: &Registered<K::Record>, status| K::may_see_status(permissions, record).then_some(status);
    let one = |(record, s): (&Registered<K::Record>, K::Status)| {
        Manifest::new(K::KIND, metadata::show(record), K::wire(&K::checked(&record.spec)), status(record, s))
    };
    Ok(records.iter().zip(statuses).map(one).collect())
}

/// The manifest of that name, with its status.
pub(crate) async fn of_name<K: Resource>(
    connection: &mut PgConnection,
    permissions: &Permissions,
    name: &str,
) -> Result<Manifest<K::Spec, K::Status>, ApiError> {
    let record = K::get(connection, name).await?;
    one::<K>(connection, permissions, record).await
}

/// The manifest of this one.
pub(crate) async fn one<K: Resource>(
    connection: &mut PgConnection,
    permissions: &Permissions,
    record: Registered<K::Record>,
) -> Result<Manifest<K::Spec, K::Status>, ApiError> {
    let shown = show::<K>(connection, permissions, vec![record]).await?.pop();
    shown.ok_or_else(|| ApiError::internal(anyhow::anyhow!("one {} gave no manifest", K::KIND)))
}
