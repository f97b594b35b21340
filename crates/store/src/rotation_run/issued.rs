//! What is known of the certificates that a rotation issued.

use chrono::{DateTime, Utc};
use lockstep_core::binding::SecretRef;
use lockstep_core::id::RotationId;
use lockstep_core::rotation::life::Issued;
use lockstep_core::rotation::stage::Stage;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::{Result, secret};

/// A run that was done: its stage, and when it began and ended.
type DoneRow = (Json<Stage>, DateTime<Utc>, DateTime<Utc>);

/// What is known of them, of runs that began since `kind_at`: those before issued something else. Whether somebody else wrote the secret shows in
/// what was seen of it, so only where a binding draws from it.
pub async fn issued(
    connection: &mut PgConnection,
    rotation: RotationId,
    kind_at: DateTime<Utc>,
    secret: &SecretRef,
) -> Result<Issued> {
    let done: Option<DoneRow> = sqlx::query_as(
        "select stage, started_at, ended_at from rotation_run \
         where rotation_id = $1 and ended_at is not null and stage ? 'Done' and started_at >= $2 order by ended_at desc limit 1",
    )
    .bind(rotation.uuid())
    .bind(kind_at)
    .fetch_optional(&mut *connection)
    .await?;
    let done_at = done.as_ref().map(|(.., ended)| *ended);
    let (failures, failed_at): (i64, Option<DateTime<Utc>>) = sqlx::query_as(
        "select count(*), max(ended_at) from rotation_run where rotation_id = $1 and ended_at > $2 and stage ? 'Failed'",
    )
    .bind(rotation.uuid())
    .bind(done_at.unwrap_or(kind_at))
    .fetch_one(&mut *connection)
    .await?;
    let mut issued = Issued {
        wanted_at: kind_at,
        life: None,
        done_at,
        replaced_at: None,
        failed: failed_at.map(|at| (u32::try_from(failures).unwrap_or(u32::MAX), at)),
    };
    if let Some((Json(Stage::Done(done)), began, _)) = done {
        issued.life = done.life;
        let seen = secret::drawn_from(connection, secret).await?.and_then(|record| record.known.chosen);
        // An older number is what was seen last, not what somebody wrote.
        let replaced = seen.filter(|seen| Some(seen.id.number) != done.version && seen.created > began);
        issued.replaced_at = replaced.map(|seen| seen.created);
    }
    Ok(issued)
}
