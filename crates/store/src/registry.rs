//! The registry row: epoch, newest seq, and whether the whole history is held.

use chrono::{DateTime, Utc};
use lockstep_core::history::{ChangeHash, Mark};
use lockstep_core::id::RegistryId;
use lockstep_core::revision::Epoch;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::meta::seq;
use crate::{Result, StoreError};

/// The registry now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// Its identity.
    pub id: RegistryId,
    /// Its newest change.
    pub head: Mark,
    /// Why nothing is sent to any cluster.
    pub held: Option<String>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct RegistryRow {
    #[sqlx(rename = "registry_id")]
    id: Uuid,
    epoch: i64,
    seq: i64,
    hash: Vec<u8>,
    held: Option<String>,
}

impl TryFrom<RegistryRow> for Registry {
    type Error = StoreError;
    fn try_from(row: RegistryRow) -> Result<Self> {
        let hash = row.hash.as_slice().try_into().map(ChangeHash::new).map_err(|e| StoreError::corrupt("registry")(&e))?;
        let head = Mark { epoch: Epoch::new(row.epoch.cast_unsigned()), seq: seq(row.seq), hash };
        Ok(Self { id: row.id.into(), head, held: row.held })
    }
}

/// Reads it.
pub async fn get(connection: &mut PgConnection) -> Result<Registry> {
    let row: RegistryRow =
        sqlx::query_as("select id as registry_id, epoch, seq, hash, held from registry").fetch_one(connection).await?;
    row.try_into()
}

/// Holds the whole registry, or ends that.
pub async fn set_held(connection: &mut PgConnection, held: Option<&str>) -> Result<()> {
    sqlx::query("update registry set held = $1").bind(held).execute(connection).await?;
    Ok(())
}

/// Postgres' time: the only clock for due times, leases and expiry.
pub async fn now(connection: &mut PgConnection) -> Result<DateTime<Utc>> {
    Ok(sqlx::query_scalar("select clock_timestamp()").fetch_one(connection).await?)
}
