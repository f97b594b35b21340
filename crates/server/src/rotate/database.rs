//! Passwords of a database's static roles: changed by the source, one at a time, and never that of a role that clusters use.
//!
//! A change cannot be asked for twice without making two, and there is no check-and-set. So the time of the last change is recorded first, and
//! before each try it is looked whether there is a newer one.

use chrono::{DateTime, Utc};
use lockstep_core::engine::{Member, member};
use lockstep_core::kv::KvPath;
use lockstep_core::rotation::Kind;
use lockstep_core::rotation::stage::{Delivered, Intent, Made, Stage, Void};
use lockstep_core::rotation::step::retired;
use lockstep_store::login_check::{self, LoginError};
use lockstep_store::{pool, secret};
use lockstep_vault::{StaticRole, Vault};
use tokio::time::Instant;

use super::drive::Drive;
use super::trouble::Trouble;

/// How long a login at the database may take.
const LOGIN_LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

/// The role, which has to be there.
async fn look(drive: &Drive<'_>, vault: &Vault, role: &KvPath) -> Result<StaticRole, Trouble> {
    let mount = &drive.secret().mount;
    let found = vault.static_role(mount, role).await?;
    found.ok_or_else(|| Trouble::Again(format!("there is no static role {role} in {mount} any more: make it again")))
}

/// When its password was changed last; of one that never was, the beginning of time.
fn stamp(role: &StaticRole) -> DateTime<Utc> {
    role.last_rotation.unwrap_or(DateTime::UNIX_EPOCH)
}

fn role_of(drive: &Drive<'_>, which: Member) -> Result<KvPath, Trouble> {
    let path = &drive.secret().path;
    member(path, which).ok_or_else(|| Trouble::Never(format!("{path} is no pair of roles")))
}

/// Which role of the pair clusters get; `None`: no binding draws from it.
async fn active(drive: &Drive<'_>) -> Result<Option<Member>, Trouble> {
    let secret = drive.secret();
    let mut connection = pool::acquire(&drive.rotator.app.pool).await?;
    match secret::drawn_from(&mut connection, secret).await? {
        Some(record) if record.known.chosen.is_some() => Ok(Some(record.known.active_member())),
        Some(_) => Err(Trouble::Again(format!("nobody has looked yet which of {} is in use", secret.path))),
        None => Ok(None),
    }
}

/// That this role is not the one that clusters get.
async fn require_idle(drive: &Drive<'_>, which: Member) -> Result<(), Trouble> {
    if active(drive).await? == Some(which) {
        let role = role_of(drive, which)?;
        return Err(Trouble::Again(format!("role {role} is what clusters get now: its password is left alone")));
    }
    Ok(())
}

/// Sees which role's password is to be changed, and when it was last.
pub(super) async fn prepare(drive: &Drive<'_>, vault: &Vault) -> Result<(), Trouble> {
    let kind = &drive.spec().kind;
    let intent = match kind {
        Kind::DatabasePair { .. } => {
            let unused =
                || Trouble::Never(format!("no binding draws from the pair {}: nothing was changed", drive.secret().path));
            let candidate = active(drive).await?.ok_or_else(unused)?.other();
            Intent::InTurn { candidate, before: stamp(&look(drive, vault, &role_of(drive, candidate)?).await?) }
        }
        _ => Intent::InPlace { before: stamp(&look(drive, vault, &drive.secret().path).await?) },
    };
    Ok(drive.enter(Stage::Making(intent)).await?)
}

/// Has the password changed, if it was not since `before`; when it was.
async fn rotate(
    drive: &Drive<'_>,
    vault: &Vault,
    role: &KvPath,
    before: DateTime<Utc>,
    point: &str,
    end: Instant,
) -> Result<DateTime<Utc>, Trouble> {
    let now = stamp(&look(drive, vault, role).await?);
    if now != before {
        return Ok(now);
    }
    if Instant::now() + drive.rotator.call_limit() > end {
        return Err(Trouble::Again("looking took so long that another replica might begin meanwhile".to_owned()));
    }
    vault.rotate_static_role(&drive.secret().mount, role).await?;
    drive.point(point);
    let after = stamp(&look(drive, vault, role).await?);
    if after == before {
        return Err(Trouble::Again(format!("the source said that it changed the password of {role}, and shows no newer one")));
    }
    Ok(after)
}

/// Has the one role's password changed.
pub(super) async fn rotate_in_place(
    drive: &Drive<'_>,
    vault: &Vault,
    before: DateTime<Utc>,
    end: Instant,
) -> Result<(), Trouble> {
    let at = rotate(drive, vault, &drive.secret().path, before, "made", end).await?;
    Ok(drive.enter(Stage::Delivering(Made::InPlace { at })).await?)
}

/// Has the idle role's password changed.
pub(super) async fn rotate_idle(
    drive: &Drive<'_>,
    vault: &Vault,
    candidate: Member,
    before: DateTime<Utc>,
    end: Instant,
) -> Result<(), Trouble> {
    require_idle(drive, candidate).await?;
    let at = rotate(drive, vault, &role_of(drive, candidate)?, before, "made", end).await?;
    Ok(drive.enter(Stage::Verifying(Made::InTurn { candidate, at })).await?)
}

/// Logs in with what clusters are about to get.
pub(super) async fn verify(drive: &Drive<'_>, vault: &Vault, made: &Made) -> Result<(), Trouble> {
    let (Kind::DatabasePair { secret, verify, .. }, Made::InTurn { candidate, .. }) = (&drive.spec().kind, made) else {
        return Ok(drive.enter(Stage::Delivering(made.clone())).await?);
    };
    let role = role_of(drive, *candidate)?;
    let credentials = vault.static_creds(&secret.mount, &role).await?;
    if *verify {
        let name = look(drive, vault, &role).await?.db_name;
        let name: KvPath = name.parse().map_err(|e| Trouble::Never(format!("the role's database connection {name:?}: {e}")))?;
        let connection = vault.database_connection(&secret.mount, &name).await?;
        let how = "set verify: None if it is not to be tried";
        let place = match connection.place {
            Some(Ok(place)) => place,
            Some(Err(error)) => return Err(Trouble::Never(format!("no login could be tried: {error}; {how}"))),
            None => return Err(Trouble::Never(format!("no login can be tried at a {}: {how}", connection.plugin))),
        };
        let [Some(username), Some(password)] = ["username", "password"].map(|key| credentials.keys.get(key)) else {
            return Err(Trouble::Again(format!("the source gave no user and password for {role}")));
        };
        let username =
            std::str::from_utf8(username.expose()).map_err(|_| Trouble::Never(format!("the user of role {role} is no text")))?;
        match login_check::log_in(&place, username, password, LOGIN_LIMIT).await {
            Ok(()) => {}
            Err(error @ LoginError::Refused { .. }) => {
                return Err(Trouble::Never(format!(
                    "the new password of role {role} does not work, and the one before stays: {error}"
                )));
            }
            Err(error) => return Err(Trouble::Again(format!("trying the new password of role {role}: {error}"))),
        }
    }
    // If the source changed it once more meanwhile, this is what was tried.
    let made = Made::InTurn { candidate: *candidate, at: credentials.created };
    Ok(drive.enter(Stage::Delivering(made)).await?)
}

/// Sees when the former role's password was changed last.
pub(super) async fn prepare_retiring(drive: &Drive<'_>, vault: &Vault, delivered: &Delivered) -> Result<(), Trouble> {
    let Made::InTurn { candidate, .. } = &delivered.made else {
        return Ok(drive.enter(retired(delivered)).await?);
    };
    let member = candidate.other();
    let before = stamp(&look(drive, vault, &role_of(drive, member)?).await?);
    Ok(drive.enter(Stage::Retiring(delivered.clone(), Void { member, before })).await?)
}

/// Has the former role's password changed, so that the one that clusters had is void.
pub(super) async fn retire(
    drive: &Drive<'_>,
    vault: &Vault,
    delivered: &Delivered,
    void: &Void,
    end: Instant,
) -> Result<(), Trouble> {
    require_idle(drive, void.member).await?;
    rotate(drive, vault, &role_of(drive, void.member)?, void.before, "retired", end).await?;
    Ok(drive.enter(retired(delivered)).await?)
}
