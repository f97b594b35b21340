//! Whether somebody has to say yes before a change that reaches far.

use std::collections::BTreeSet;
use std::env;
use std::fmt;
use std::io::{self, IsTerminal as _};
use std::str::FromStr;

use anyhow::{Context as _, bail};
use lockstep_api::blast_radius::BlastRadius;

use super::blast_radius::{deletes, words};
use crate::terminal;

/// As many clusters as a person can still look after one by one.
const CLUSTERS_IF_ABSENT: u64 = 10;
/// Instead of the flag.
const VARIABLE: &str = "LOCKSTEP_CONFIRM_OVER";

/// When to ask.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ConsentArgs {
    /// Do it, however far it reaches
    #[arg(short, long)]
    yes: bool,
    /// Ask before a change in more clusters than this (or LOCKSTEP_CONFIRM_OVER; else 10), and before a deletion of what nobody named; `never`: do not ask
    #[arg(long, value_name = "CLUSTERS")]
    confirm_over: Option<Limit>,
}

/// Up to how many clusters nobody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Clusters(u64),
    Never,
}

impl FromStr for Limit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self::Never),
            number => number.parse().map(Self::Clusters).map_err(|_| "is neither a number of clusters nor `never`".to_owned()),
        }
    }
}

/// What would be done to one thing.
#[derive(Debug)]
pub(super) struct Planned<'a> {
    /// Such as `binding/db`.
    pub(super) subject: String,
    /// How far that reaches.
    pub(super) radius: &'a BlastRadius,
    /// Whether deleting is what was asked for.
    pub(super) is_named: bool,
}

/// Asks where it has to.
#[derive(Debug)]
pub(super) struct Consent {
    /// `None`: nobody is asked, or he has answered.
    over: Option<u64>,
}

impl ConsentArgs {
    pub(super) fn read(&self) -> anyhow::Result<Consent> {
        let of_variable = || match env::var(VARIABLE).ok().filter(|text| !text.is_empty()) {
            Some(text) => text.parse().map(Some).map_err(anyhow::Error::msg).with_context(|| format!("{VARIABLE}: {text:?}")),
            None => Ok(None),
        };
        let limit = match self.confirm_over {
            Some(limit) => Some(limit),
            None => of_variable()?,
        };
        let over = match limit {
            _ if self.yes => None,
            Some(Limit::Never) => None,
            Some(Limit::Clusters(count)) => Some(count),
            None => Some(CLUSTERS_IF_ABSENT),
        };
        Ok(Consent { over })
    }
}

impl Consent {
    /// Whether anything has to be known before.
    pub(super) const fn may_ask(&self) -> bool {
        self.over.is_some()
    }

    /// Lets it pass if it is small; else asks who sits there, once for all that follows, and refuses where nobody does. `done`: what was done
    /// already.
    pub(super) fn require(&mut self, planned: &[Planned<'_>], done: &str) -> anyhow::Result<()> {
        let Some(why) = self.over.and_then(|over| reason(planned, over)) else { return Ok(()) };
        for one in planned.iter().filter(|one| one.radius.clusters.count > 0) {
            terminal::note(&one.to_string());
        }
        if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            bail!("{why}; {done}: nobody is here to be asked, so pass --yes if it is meant");
        }
        terminal::ask(&format!("{why}. Go on? [y/N] "));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).context("reading the answer")?;
        if !is_yes(&answer) {
            bail!("not confirmed; {done}");
        }
        self.over = None;
        Ok(())
    }
}

impl fmt::Display for Planned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.subject, words(self.radius))
    }
}

/// Anything else, and nothing at all, is a no.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Why somebody has to be asked.
fn reason(planned: &[Planned<'_>], over: u64) -> Option<String> {
    let deleting: u64 =
        planned.iter().filter(|one| !one.is_named && deletes(one.radius)).map(|one| one.radius.delete.targets.max(1)).sum();
    let clusters = clusters(planned);
    if clusters > over {
        let number = if clusters == 1 { "1 cluster".to_owned() } else { format!("{clusters} clusters") };
        let more = if planned.iter().filter(|one| one.radius.clusters.count > 0).count() > 1 { " or more" } else { "" };
        Some(format!("this reaches {number}{more} (--confirm-over {over})"))
    } else if deleting > 0 {
        Some("this deletes what was delivered".to_owned())
    } else {
        None
    }
}

/// At least so many clusters are changed. As dry runs name the first ones only, more is not known of several together.
fn clusters(planned: &[Planned<'_>]) -> u64 {
    let named: BTreeSet<&str> = planned.iter().flat_map(|one| &one.radius.clusters.names).map(String::as_str).collect();
    let most = planned.iter().map(|one| one.radius.clusters.count).max();
    most.unwrap_or_default().max(named.len() as u64)
}

#[cfg(test)]
mod tests {
    use lockstep_api::blast_radius::Counted;

    use super::super::blast_radius::tests::{named, reached};
    use super::*;

    fn writes(clusters: &[&str]) -> BlastRadius {
        BlastRadius { clusters: named(clusters), rewrite: reached(1, clusters), ..BlastRadius::default() }
    }

    fn planned(radius: &BlastRadius, is_named: bool) -> Planned<'_> {
        Planned { subject: "binding/db".to_owned(), radius, is_named }
    }

    #[test]
    fn small_changes_pass_and_those_that_reach_far_or_delete_are_asked_for() {
        let (one, two) = (writes(&["a", "b"]), writes(&["b", "c"]));
        assert_eq!(reason(&[planned(&one, false), planned(&two, false)], 3), None);
        let why = reason(&[planned(&one, false), planned(&two, false)], 2).unwrap();
        assert!(why.starts_with("this reaches 3 clusters or more ("), "{why}");
        let wide = BlastRadius { clusters: Counted { count: 40, names: Vec::new() }, ..writes(&["a"]) };
        assert!(reason(&[planned(&wide, true)], 10).is_some());
        let deleting = BlastRadius { delete: reached(1, &["a"]), ..writes(&["a"]) };
        assert_eq!(reason(&[planned(&deleting, false)], 10).as_deref(), Some("this deletes what was delivered"));
        assert_eq!(reason(&[planned(&deleting, true)], 10), None, "it is what was asked for");
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y\n", "Y\n", "yes\n"].into_iter().all(is_yes));
        assert!(!["", "\n", "n\n", "yes, but\n"].into_iter().any(is_yes));
    }

    #[test]
    fn a_limit_is_a_number_or_never() {
        assert_eq!("never".parse(), Ok(Limit::Never));
        assert_eq!("0".parse(), Ok(Limit::Clusters(0)));
        assert!("often".parse::<Limit>().is_err());
    }
}
