//! Who is waited for.

use lockstep_core::duration;
use lockstep_core::rotation::Kind;
use lockstep_core::rotation::confirm::{Absent, Confirm as Checked, DEFAULT_DEADLINE, OnDeadline};
use serde::{Deserialize, Serialize};

use super::checked_duration;
use crate::field::Mistakes;

/// Who has to have the new version before the one before is retired.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Confirm {
    /// `Applied` (default): the content is in place. `Healthy`: also the workloads that restart with it have finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// How long clusters are waited for; `30m` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// What happens then: `Hold` (default) waits on and names them, `Proceed` goes on without them, `RollBack` delivers what was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_deadline: Option<String>,
    /// Whether clusters that are paused are waited for: `Wait` (default) or `Skip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// Whether clusters that are revoked are: `Wait` or `Skip` (default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
    /// Whether clusters whose agent is not connected are: `Wait` (default) or `Skip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline: Option<String>,
}

pub(super) fn check(wire: Option<&Confirm>, mistakes: &mut Mistakes) -> Option<Checked> {
    let default = Checked::default();
    let Some(wire) = wire else { return Some(default) };
    let when = word("when", wire.when.as_deref(), default.when, mistakes);
    let deadline = checked_duration("spec.confirm.deadline", wire.deadline.as_deref(), mistakes);
    let on_deadline = word("onDeadline", wire.on_deadline.as_deref(), default.on_deadline, mistakes);
    let paused = word("paused", wire.paused.as_deref(), default.paused, mistakes);
    let revoked = word("revoked", wire.revoked.as_deref(), default.revoked, mistakes);
    let offline = word("offline", wire.offline.as_deref(), default.offline, mistakes);
    Some(Checked {
        when: when?,
        deadline: deadline?.unwrap_or(DEFAULT_DEADLINE),
        on_deadline: on_deadline?,
        paused: paused?,
        revoked: revoked?,
        offline: offline?,
    })
}

fn word<T: std::str::FromStr<Err = String>>(field: &str, text: Option<&str>, default: T, mistakes: &mut Mistakes) -> Option<T> {
    match text {
        None => Some(default),
        Some(text) => mistakes.parse(format!("spec.confirm.{field}"), text),
    }
}

/// A policy that could never be followed is refused when it is written.
pub(super) fn check_course(kind: &Kind, confirm: &Checked, mistakes: &mut Mistakes) {
    if confirm.on_deadline == OnDeadline::RollBack && !kind.course().can_roll_back() {
        mistakes.add(
            "spec.confirm.onDeadline",
            format!("{} cannot roll back: the source made the password before void when it changed it. Use Hold or Proceed, or databasePair", kind.as_str()),
        );
    }
}

impl From<&Checked> for Confirm {
    fn from(checked: &Checked) -> Self {
        let absent = |absent: Absent| Some(absent.as_str().to_owned());
        Self {
            when: Some(checked.when.as_str().to_owned()),
            deadline: Some(duration::print(checked.deadline)),
            on_deadline: Some(checked.on_deadline.as_str().to_owned()),
            paused: absent(checked.paused),
            revoked: absent(checked.revoked),
            offline: absent(checked.offline),
        }
    }
}
