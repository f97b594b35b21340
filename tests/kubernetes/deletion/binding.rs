//! A binding that says `deletionPolicy: Delete`, and goes.

use anyhow::Result;

use super::{await_left, await_theirs, make_foreign};
use crate::shop::{CLUSTER, await_password, deliver, fleet, kubernetes};

#[tokio::test]
async fn a_binding_that_goes_takes_its_own_keys_and_labels_and_leaves_the_rest() -> Result<()> {
    let fleet = fleet().await?;
    let api = kubernetes(&fleet)?;
    let theirs = make_foreign(api, "shared").await?;
    for name in ["shared", "alone"] {
        deliver(&fleet, name, ", labels: {team: ours}, annotations: {from: ours}", "deletionPolicy: Delete").await?;
    }
    assert_eq!(await_password(&fleet, "shared", "first").await?.len(), 3);
    for name in ["shared", "alone"] {
        fleet.cli(&["delete", "binding", name]).await?;
    }
    // Both of two are more than the delete guard lets go unasked.
    fleet.cli(&["confirm", CLUSTER]).await?;
    await_left(api, &["shared"]).await?;
    await_theirs(api, "shared", &theirs).await
}
