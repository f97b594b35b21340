//! `lockstep cluster register`.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};
use lockstep_api::cluster::ClusterSpec;
use lockstep_api::manifest::{Manifest, Metadata};
use lockstep_core::label::{check_key, check_value};
use lockstep_core::name::ClusterName;
use serde_json::Value;

use super::{TokenArgs, join};
use crate::kind::Registered;
use crate::rest::client::Client;
use crate::rest::write::Mode;
use crate::selection::title;
use crate::terminal;

/// Options of `cluster register`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to call the cluster: small letters, digits and '-'
    name: ClusterName,
    /// Label that bindings and grants select by; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    #[command(flatten)]
    token: TokenArgs,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not KEY=VALUE"))?;
    check_key(key).and_then(|()| check_value(value)).map_err(|error| error.to_string())?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Args {
    pub(super) async fn run(&self, client: &Client) -> anyhow::Result<()> {
        self.token.check()?;
        let name = self.name.as_str();
        let labels: BTreeMap<_, _> = self.labels.iter().cloned().collect();
        ensure!(labels.len() == self.labels.len(), "a label is given twice");
        if let Some(known) = client.find::<Value>(&[Registered::Cluster.plural(), name]).await? {
            check_same(name, &labels, &known)?;
            terminal::note(&format!("{} is registered already; a new join token is made", title(Registered::Cluster, name)));
        } else {
            let metadata = Metadata { name: name.to_owned(), labels, ..Metadata::default() };
            let manifest = Manifest::<_, ()>::new(Registered::Cluster.title(), metadata, ClusterSpec::default(), None);
            let manifest = serde_json::to_value(manifest)?;
            let (outcome, _) = client.put(Registered::Cluster, name, &manifest, Mode::Keep).await?;
            // Standard output is for the token, which scripts read.
            terminal::note(&format!("{} {outcome}", title(Registered::Cluster, name)));
        }
        join::make_token(client, name, &self.token).await
    }
}

/// Registering never changes a cluster: its labels decide what it receives.
fn check_same(name: &str, labels: &BTreeMap<String, String>, known: &Value) -> anyhow::Result<()> {
    let known = known.pointer("/metadata/labels").and_then(Value::as_object);
    let known: BTreeMap<_, _> =
        known.into_iter().flatten().map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect();
    if labels.is_empty() || *labels == known {
        return Ok(());
    }
    let shown = known.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
    bail!(
        "cluster/{name} is registered with other labels ({shown}): change them with `lockstep apply`, or leave out --label for a new token"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn registering_again_never_changes_labels() {
        let known = json!({"metadata": {"labels": {"env": "prod"}}});
        let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert!(check_same("c", &labels(&[]), &known).is_ok());
        assert!(check_same("c", &labels(&[("env", "prod")]), &known).is_ok());
        let message = check_same("c", &labels(&[("env", "dev")]), &known).unwrap_err().to_string();
        assert!(message.contains("other labels (env=prod)") && message.contains("lockstep apply"), "{message}");
    }

    #[test]
    fn labels_follow_kubernetes() {
        assert_eq!(label("env=prod"), Ok(("env".to_owned(), "prod".to_owned())));
        for bad in ["env", "=x", "env=a b", "a b=c"] {
            assert!(label(bad).is_err(), "{bad}");
        }
    }
}
