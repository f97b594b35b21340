//! What bindings are pinned to.

use std::collections::BTreeMap;

use lockstep_core::id::BindingId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Result;

/// A pinned item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// As `source/mount/path`.
    pub secret: String,
    /// To this version.
    pub version: u64,
    /// The newest version that was seen.
    pub newest: Option<u64>,
}

#[derive(sqlx::FromRow)]
struct PinRow {
    binding_id: Uuid,
    secret: String,
    pin: i64,
    latest_number: Option<i64>,
}

/// The pinned items of these bindings, in the bindings' order.
pub async fn of_bindings(connection: &mut PgConnection, bindings: &[BindingId]) -> Result<BTreeMap<BindingId, Vec<Pin>>> {
    let rows: Vec<PinRow> = sqlx::query_as(
        "select distinct on (i.binding_id, i.position) i.binding_id, so.name || '/' || s.mount || '/' || s.path as secret, i.pin, \
             s.latest_number from binding_item i \
         join secret s on s.id = i.secret_id join source so on so.id = s.source_id \
         where i.binding_id = any($1) and i.pin is not null order by i.binding_id, i.position",
    )
    .bind(bindings.iter().map(|binding| binding.uuid()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut pins = BTreeMap::<BindingId, Vec<Pin>>::new();
    for row in rows {
        let pin = Pin { secret: row.secret, version: row.pin.cast_unsigned(), newest: row.latest_number.map(i64::cast_unsigned) };
        pins.entry(row.binding_id.into()).or_default().push(pin);
    }
    Ok(pins)
}
