//! Who may give a cluster which labels. Grants, roles and maintenance windows count where labels say, so whoever changes such a
//! label gives or takes away what others decided about.

use std::collections::BTreeSet;

use lockstep_core::access::{Action, Permissions, Place};
use lockstep_core::label::Labels;
use lockstep_core::selector::{Requirement, Selector};
use lockstep_store::{PgConnection, grant, maintenance_window, role_assignment};

use crate::rest::code::Code;
use crate::rest::problem::ApiError;

/// An operator of the cluster may, both as it was and as it is to be; of keys that those use, only an admin of everything.
pub(super) async fn check(
    connection: &mut PgConnection,
    permissions: &Permissions,
    before: Option<&Labels>,
    after: &Labels,
) -> Result<(), ApiError> {
    if permissions.allow(Action::Administer, Place::Everything) {
        return Ok(());
    }
    for labels in before.into_iter().chain([after]) {
        permissions.require(Action::Operate, Place::Cluster(labels))?;
    }
    let mut selectors = grant::cluster_selectors(connection).await?;
    selectors.extend(role_assignment::cluster_selectors(connection).await?);
    selectors.extend(maintenance_window::cluster_selectors(connection).await?);
    let used: BTreeSet<&str> = selectors.iter().flat_map(Selector::requirements).map(Requirement::key).collect();
    let changed: Vec<&str> = used.into_iter().filter(|key| before.and_then(|labels| labels.get(key)) != after.get(key)).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let (keys, noun) = (changed.join(", "), if changed.len() == 1 { "label" } else { "labels" });
    let detail = format!(
        "grants, roles or maintenance windows depend on the {noun} {keys}: only an admin of everything may change that; ask one"
    );
    Err(ApiError::new(Code::Forbidden, detail))
}
