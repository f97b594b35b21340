//! `lockstep describe`.

mod deliveries;
mod sections;

use anyhow::ensure;
use lockstep_api::binding::ObservedStatus;
use lockstep_core::kv::PathPattern;
use serde::Deserialize as _;
use serde_json::Value;

use super::pinned;
use crate::connection::ConnectionArgs;
use crate::item;
use crate::kind::{Kind, Registered};
use crate::rest::client::Client;
use crate::rest::failure::Failure;
use crate::rest::missing::Missing;
use crate::selection::{Selection, title};
use crate::table::{self, Style, Table, Width};
use crate::{progress, terminal};
use deliveries::Deliveries;
use sections::Sections;

/// Show everything about one thing: what is wanted, how it is and why, and what changed last
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// KIND NAME or KIND/NAME
    #[arg(value_name = "KIND NAME", required = true)]
    words: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  lockstep describe binding checkout-db
  lockstep describe cluster/prod-eu
  lockstep describe secret corp/kv/payments/checkout/db";

const CHANGES_SHOWN: usize = 10;

impl Args {
    pub(super) async fn run(&self, connection: &ConnectionArgs) -> anyhow::Result<()> {
        let Selection { kind, names } = Selection::read(&self.words)?;
        ensure!(!names.is_empty(), "say which, such as `lockstep describe {} NAME`", kind.singular());
        let client = connection.client()?;
        for name in &names {
            let text = progress::during(&format!("reading {}/{name}", kind.singular()), describe(&client, kind, name)).await?;
            terminal::print(&text)?;
        }
        Ok(())
    }
}

async fn describe(client: &Client, kind: Kind, name: &str) -> anyhow::Result<String> {
    if let Kind::Registered(registered) = kind {
        return describe_registered(client, registered, name).await;
    }
    // These have no address of their own.
    item::check_name(kind, name)?;
    let items = client.list(kind, &[]).await?;
    let Some(found) = items.iter().find(|item| item::name(kind, item) == name) else {
        let names: Vec<String> = items.iter().map(|item| item::name(kind, item)).collect();
        return Err(Missing::new(kind, name, &names).into());
    };
    let sections = Sections::default().line("Name", name).line("Kind", kind.title());
    if kind != Kind::Secret {
        return Ok(sections.fields(found).finish());
    }
    let mut found = found.clone();
    if let Some(fields) = found.as_object_mut() {
        // Told with their names below.
        fields.remove("bindings");
    }
    let bindings = client.list(Kind::Registered(Registered::Binding), &[]).await?;
    let using: Vec<Value> = bindings.into_iter().filter(|binding| uses(binding, name)).collect();
    let table = table::of(Kind::Registered(Registered::Binding), &using, Width::Usual)?;
    Ok(sections.fields(&found).table("Bindings", &table, None).finish())
}

/// Whether a binding delivers the secret of this name, in some cluster at least.
fn uses(binding: &Value, secret: &str) -> bool {
    let items = binding.pointer("/spec/items").and_then(Value::as_array);
    let is = |name: String| name == secret || name.parse::<PathPattern>().is_ok_and(|pattern| pattern.may_be(secret));
    items.into_iter().flatten().any(|item| is(item::name(Kind::Secret, item)))
}

async fn describe_registered(client: &Client, kind: Registered, name: &str) -> anyhow::Result<String> {
    let found = client.get(&[kind.plural(), name]).await;
    let manifest: Value = client.explained(Kind::Registered(kind), name, found).await?;
    let sections = Sections::default().manifest(&manifest).table("Conditions", &conditions(&manifest)?, None);
    let sections = match kind {
        Registered::Cluster | Registered::Binding => {
            let Deliveries { table, drawn, more } = deliveries::fetch(client, kind, &manifest).await?;
            let sections = match observed(&manifest) {
                Some(observed) => sections.line("Observed", &observed),
                None => sections,
            };
            let sections = pinned::lines(&manifest).iter().fold(sections, |sections, line| sections.line("Pinned", line));
            let sections = sections.table("Deliveries", &table, more);
            drawn.iter().fold(sections, |sections, drawn| sections.table("Drawn by cluster", drawn, None))
        }
        Registered::Project
        | Registered::Source
        | Registered::Grant
        | Registered::RoleAssignment
        | Registered::Rotation
        | Registered::MaintenanceWindow => sections,
    };
    let subject = title(kind, name);
    let by_somebody = |change: &Value| !item::is_minor(Kind::Change, change);
    let changes = match client.first_of(Kind::Change, &[("subject", &subject)], CHANGES_SHOWN, by_somebody).await {
        // Who did what is for auditors; the rest is there all the same.
        Err(Failure::Forbidden(_)) => return Ok(sections.finish()),
        other => other?,
    };
    // Only of sources are there changes that nobody made.
    let more = (kind == Registered::Source)
        .then(|| format!("… and the new versions that were seen: lockstep get changes --subject {subject} --all"));
    Ok(sections.table("Last changes", &table::of(Kind::Change, &changes, Width::Usual)?, more).finish())
}

/// What a binding that only observes would change.
fn observed(manifest: &Value) -> Option<String> {
    let observed = ObservedStatus::deserialize(manifest.pointer("/status/observed")?).ok()?;
    let ObservedStatus { would_change, total, clusters } = observed;
    let of = |count, thing| if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") };
    Some(format!("would change {would_change} of {} in {}", of(total, "key"), of(clusters, "cluster")))
}

fn conditions(manifest: &Value) -> anyhow::Result<Table> {
    table::of_conditions(item::conditions(manifest))
}

impl Sections {
    /// A table below its title; `more` says how to see what is not shown.
    fn table(self, title: &str, table: &Table, more: Option<String>) -> Self {
        if table.rows.is_empty() {
            return self.line(title, "<none>");
        }
        let text = table.render(Style::of_stdout());
        self.block(title, &format!("{text}{}", more.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_binding_that_observes_says_what_it_would_change() {
        let binding = |total, clusters| json!({"status": {"observed": {"wouldChange": 0, "total": total, "clusters": clusters}}});
        assert_eq!(observed(&binding(212, 5)).as_deref(), Some("would change 0 of 212 keys in 5 clusters"));
        assert_eq!(observed(&binding(1, 1)).as_deref(), Some("would change 0 of 1 key in 1 cluster"));
        assert_eq!(observed(&json!({"status": {}})), None);
    }

    #[test]
    fn a_secret_s_bindings_are_those_that_have_it_among_their_items() {
        let binding = json!({"spec": {"items": [{"source": "corp", "mount": "kv", "path": "a/b"}, {"source": "corp", "mount": "kv", "path": "c"}]}});
        assert!(uses(&binding, "corp/kv/a/b") && uses(&binding, "corp/kv/c"));
        let by_cluster = json!({"spec": {"items": [{"source": "corp", "mount": "kv", "path": "a/{cluster}/b"}]}});
        assert!(uses(&by_cluster, "corp/kv/a/eu-1/b") && !uses(&by_cluster, "corp/kv/a/b"));
        assert!(!uses(&binding, "corp/kv/a") && !uses(&json!({}), "corp/kv/c"));
    }
}
