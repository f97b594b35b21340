//! What an agent said that it has, so that what it has no place for is refused here, with what to do: an agent from before volumes cannot even read
//! such a target, and calls it missing.

use lockstep_core::binding::Target;
use lockstep_core::plan::Want;
use lockstep_store::desired::Facts;

/// Why a binding for volumes is not sent.
pub(super) const NO_VOLUMES: &str =
    "the agent of this cluster does not take volumes: upgrade it, or set csi.enabled in its chart";

/// The sinks of one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sinks {
    takes_volumes: bool,
}

impl Sinks {
    /// As `Hello` names them. One that names none does not say: it is asked.
    pub(super) fn named(names: &[String]) -> Self {
        Self { takes_volumes: names.is_empty() || names.iter().any(|name| name == "csi") }
    }

    /// Why the agent cannot take this. Of the other sinks every agent says that better itself; and taking away needs none.
    pub(super) fn refuse(self, facts: &Facts) -> Option<&'static str> {
        let is_put = matches!(facts.desired.want, Want::Content(_));
        let is_volume = matches!(facts.binding.spec.delivered.target, Target::Csi(_));
        (is_put && is_volume && !self.takes_volumes).then_some(NO_VOLUMES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_names_its_sinks_takes_volumes_only_if_they_are_among_them() {
        for (names, takes_volumes) in [
            (vec![], true),
            (vec!["csi"], true),
            (vec!["directory", "secret", "csi"], true),
            (vec!["secret"], false),
            (vec!["directory"], false),
        ] {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            assert_eq!(Sinks::named(&names), Sinks { takes_volumes }, "{names:?}");
        }
    }
}
