//! Which items `get` lists.

use std::str::FromStr;

use lockstep_core::delivery::DeliveryStatus;
use lockstep_core::selector::Selector;

use super::refuse;
use crate::kind::{Kind, Registered};

/// Changes shown if nobody says how many: the history only grows.
const CHANGES_SHOWN: usize = 50;

/// Which items.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Filter {
    /// Label selector, such as env=prod,region in (eu,us)
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = selector)]
    pub(crate) selector: Option<String>,
    /// Only of this cluster (placements, deliveries)
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// Only of this binding (placements, deliveries)
    #[arg(long, value_name = "NAME")]
    pub(crate) binding: Option<String>,
    /// Only with this status, such as Failed (deliveries)
    #[arg(long, value_parser = status)]
    pub(crate) status: Option<DeliveryStatus>,
    /// Only of bindings of this project (deliveries)
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// Only of this source (secrets)
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// Only to this, such as binding/checkout-db (changes)
    #[arg(long, value_name = "KIND/NAME")]
    pub(crate) subject: Option<String>,
    /// Also what tables leave out: secrets that no binding uses, and changes that only say that new versions were seen
    #[arg(short = 'A', long)]
    pub(crate) all: bool,
    /// At most this many, 0 for all; of changes the newest 50 if not said
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<usize>,
}

/// A selector is sent as it was written, once it is known to be one.
fn selector(text: &str) -> Result<String, lockstep_core::selector::SelectorError> {
    text.parse::<Selector>().map(|_| text.to_owned())
}

/// A status, in whatever case.
pub(crate) fn status(text: &str) -> Result<DeliveryStatus, <DeliveryStatus as FromStr>::Err> {
    let known = DeliveryStatus::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text));
    known.map_or_else(|| text.parse(), Ok)
}

impl Filter {
    /// Refuses options that do not go with `kind`.
    pub(super) fn check(&self, kind: Kind) -> anyhow::Result<()> {
        let placed = matches!(kind, Kind::Placement | Kind::Delivery);
        for (option, given, fits) in [
            ("--selector", self.selector.is_some(), matches!(kind, Kind::Registered(_))),
            ("--cluster", self.cluster.is_some(), placed),
            ("--binding", self.binding.is_some(), placed),
            ("--status", self.status.is_some(), kind == Kind::Delivery),
            ("--project", self.project.is_some(), kind == Kind::Delivery),
            ("--source", self.source.is_some(), kind == Kind::Secret),
            ("--subject", self.subject.is_some(), kind == Kind::Change),
            ("--all", self.all, matches!(kind, Kind::Secret | Kind::Change)),
        ] {
            if given && !fits {
                refuse(option, kind)?;
            }
        }
        Ok(())
    }

    /// What it names that may not exist.
    pub(super) fn named(&self) -> Vec<(Registered, &str)> {
        [
            (Registered::Cluster, &self.cluster),
            (Registered::Binding, &self.binding),
            (Registered::Source, &self.source),
            (Registered::Project, &self.project),
        ]
        .into_iter()
        .filter_map(|(kind, name)| Some((kind, name.as_deref()?)))
        .collect()
    }

    /// Whether a table of `kind` leaves something out.
    pub(super) fn is_partial(&self, kind: Kind) -> bool {
        !self.all && matches!(kind, Kind::Secret | Kind::Change)
    }

    /// As the API takes it.
    pub(super) fn query(&self) -> Vec<(&str, &str)> {
        let status = self.status.map(DeliveryStatus::as_str);
        [
            ("labelSelector", self.selector.as_deref()),
            ("cluster", self.cluster.as_deref()),
            ("binding", self.binding.as_deref()),
            ("status", status),
            ("project", self.project.as_deref()),
            ("source", self.source.as_deref()),
            ("subject", self.subject.as_deref()),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    }

    /// How many.
    pub(super) fn count(&self, kind: Kind) -> usize {
        match (self.limit, kind) {
            (Some(0), _) => usize::MAX,
            (Some(count), _) => count,
            (None, Kind::Change) => CHANGES_SHOWN,
            (None, _) => usize::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_would_do_nothing_is_refused() {
        let filter = Filter { cluster: Some("c".to_owned()), ..Filter::default() };
        assert!(filter.check(Kind::Delivery).is_ok());
        let message = filter.check(Kind::Registered(Registered::Binding)).unwrap_err().to_string();
        assert!(message.starts_with("--cluster does not go with bindings"), "{message}");
    }

    #[test]
    fn only_what_was_said_is_asked_for() {
        let filter = Filter { binding: Some("b".to_owned()), status: Some(DeliveryStatus::Held), ..Filter::default() };
        assert_eq!(filter.query(), [("binding", "b"), ("status", "Held")]);
        assert_eq!((filter.count(Kind::Delivery), filter.count(Kind::Change)), (usize::MAX, 50));
    }

    #[test]
    fn a_status_is_read_in_any_case() {
        assert_eq!(status("insync"), Ok(DeliveryStatus::InSync));
        assert!(status("Broken").unwrap_err().to_string().contains("is not a delivery status: Pending, Sending, InSync"));
    }

    #[test]
    fn a_selector_is_checked_before_it_is_sent() {
        assert!(selector("env=prod,!tier").is_ok());
        assert!(selector("env in").is_err());
    }
}
