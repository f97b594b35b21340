//! What a step asks for, by kind of rotation.

use lockstep_core::rotation::Kind;
use lockstep_core::rotation::stage::{Delivered, Intent, Made, Stage};
use lockstep_core::rotation::step::Action;
use tokio::time::Instant;

use super::drive::Drive;
use super::trouble::Trouble;
use super::{client, database, deliver, kv};

/// Does it, and records what came of it. Nothing at the source is begun that may take longer than until `end`.
pub(super) async fn act(drive: &Drive<'_>, action: Action, end: Instant) -> Result<(), Trouble> {
    let kind = &drive.spec().kind;
    let vault = client::of(&drive.rotator.app, kind.source()).await?;
    match (action, &drive.run.stage) {
        (Action::Prepare, Stage::Preparing) => match kind {
            Kind::Generate { .. } | Kind::Pki { .. } | Kind::PkiPerCluster { .. } => kv::replace(drive, &vault, end).await,
            Kind::DatabaseStatic { .. } | Kind::DatabasePair { .. } => database::prepare(drive, &vault).await,
        },
        (Action::Make, Stage::Making(intent)) => match intent {
            Intent::Write { .. } => kv::find_out(drive, &vault, intent).await,
            Intent::InPlace { before } => database::rotate_in_place(drive, &vault, *before, end).await,
            Intent::InTurn { candidate, before } => database::rotate_idle(drive, &vault, *candidate, *before, end).await,
        },
        (Action::Verify, Stage::Verifying(made)) => database::verify(drive, &vault, made).await,
        (Action::Deliver, Stage::Delivering(made)) => match made {
            Made::Written { number, .. } => deliver::written(drive, &vault, made, *number).await,
            Made::InPlace { .. } => deliver::rotated(drive, &vault, made).await,
            Made::InTurn { candidate, at } => deliver::turned(drive, made, *candidate, *at).await,
        },
        (Action::PrepareRetiring, Stage::Overlapping(delivered)) => database::prepare_retiring(drive, &vault, delivered).await,
        (Action::Retire, Stage::Retiring(delivered, void)) => database::retire(drive, &vault, delivered, void, end).await,
        (Action::Withdraw, Stage::RollingBack(delivered, because)) => withdraw(drive, &vault, delivered, because).await,
        (action, stage) => Err(Trouble::Never(format!("{action:?} is nothing to do in stage {}", stage.as_str()))),
    }
}

async fn withdraw(drive: &Drive<'_>, vault: &lockstep_vault::Vault, delivered: &Delivered, because: &str) -> Result<(), Trouble> {
    match &delivered.made {
        Made::Written { number, base, before, .. } => kv::write_back(drive, vault, *number, *base, *before, because).await,
        Made::InTurn { .. } => deliver::turned_back(drive, delivered, because).await,
        Made::InPlace { .. } => Err(Trouble::Never(format!("{because}; a single role cannot be rolled back"))),
    }
}
