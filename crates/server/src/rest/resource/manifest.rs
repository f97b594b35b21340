//! From what the registry has to what is shown.

use lockstep_api::manifest::Manifest;
use lockstep_store::PgConnection;
use lockstep_store::meta::Registered;

use super::{Resource, metadata};
use crate::rest::problem::ApiError;

/// Manifests with their statuses, in the same order.
pub(crate) async fn show<K: Resource>(
    connection: &mut PgConnection,
    records: Vec<Registered<K::Record>>,
) -> Result<Vec<Manifest<K::Spec, K::Status>>, ApiError> {
    let statuses = K::statuses(connection, &records).await?;
    let one = |(record, status): (&Registered<K::Record>, K::Status)| {
        Manifest::new(K::KIND, metadata::show(record), K::wire(&K::checked(&record.spec)), Some(status))
    };
    Ok(records.iter().zip(statuses).map(one).collect())
}

/// The manifest of that name, with its status.
pub(crate) async fn of_name<K: Resource>(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Manifest<K::Spec, K::Status>, ApiError> {
    let record = K::get(connection, name).await?;
    let shown = show::<K>(connection, vec![record]).await?.pop();
    shown.ok_or_else(|| ApiError::internal(anyhow::anyhow!("one {} gave no manifest", K::KIND)))
}
