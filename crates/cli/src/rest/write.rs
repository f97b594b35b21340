//! Manifests put and deleted.

use std::fmt;

use clap::ValueEnum;
use lockstep_api::binding::{Rollback, Unpin};
use lockstep_api::cluster::ConfirmedDeletions;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::client::Client;
use super::failure::Failure;
use crate::kind::Registered;

/// The response header that says what a PUT did.
const RESULT_HEADER: &str = "lockstep-result";

/// Whether the server keeps what it is sent, or only says what would become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Keep,
    DryRun,
}

/// What a PUT did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Created,
    Configured,
    Unchanged,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        })
    }
}

/// What becomes of the Secrets of a cluster that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Secrets {
    /// They stay, and nobody keeps them in step any more
    #[default]
    Retain,
    /// They are deleted, whatever their bindings say
    Purge,
}

impl Mode {
    const fn query(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Keep => &[],
            Self::DryRun => &[("dryRun", "All")],
        }
    }

    /// What kubectl adds to a line of a dry run.
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::Keep => "",
            Self::DryRun => " (server dry run)",
        }
    }
}

impl Client {
    /// Creates or changes; gives what was done and the manifest as it is then.
    pub(crate) async fn put(
        &self,
        kind: Registered,
        name: &str,
        manifest: &Value,
        mode: Mode,
    ) -> Result<(Outcome, Value), Failure> {
        self.written(self.request(Method::PUT, &[kind.plural(), name]).query(mode.query()).json(manifest)).await
    }

    /// Pins a binding's secret to an earlier version; gives the manifest as it is then.
    pub(crate) async fn rollback(&self, name: &str, wanted: &Rollback, mode: Mode) -> Result<(Outcome, Value), Failure> {
        self.written(self.request(Method::POST, &["bindings", name, "rollback"]).query(mode.query()).json(wanted)).await
    }

    /// Lets a binding's secrets follow their newest versions again; gives the manifest as it is then.
    pub(crate) async fn unpin(&self, name: &str, wanted: &Unpin, mode: Mode) -> Result<(Outcome, Value), Failure> {
        self.written(self.request(Method::POST, &["bindings", name, "unpin"]).query(mode.query()).json(wanted)).await
    }

    async fn written(&self, request: RequestBuilder) -> Result<(Outcome, Value), Failure> {
        let response = self.send(request).await?;
        let created = response.status() == reqwest::StatusCode::CREATED;
        let outcome = match response.headers().get(RESULT_HEADER).and_then(|value| value.to_str().ok()) {
            Some("created") => Outcome::Created,
            Some("unchanged") => Outcome::Unchanged,
            // A proxy may drop headers it does not know; the status says almost as much.
            None if created => Outcome::Created,
            _ => Outcome::Configured,
        };
        Ok((outcome, self.decode(response).await?))
    }

    /// Deletes; gives the manifest as it is then.
    pub(crate) async fn delete(&self, kind: Registered, name: &str, mode: Mode) -> Result<Value, Failure> {
        self.answer(self.request(Method::DELETE, &[kind.plural(), name]).query(mode.query())).await
    }

    /// Removes a cluster; gives its manifest as it is then.
    pub(crate) async fn remove_cluster(&self, name: &str, secrets: Secrets) -> Result<Value, Failure> {
        let secrets = match secrets {
            Secrets::Retain => "Retain",
            Secrets::Purge => "Purge",
        };
        self.answer(self.request(Method::DELETE, &["clusters", name]).query(&[("secrets", secrets)])).await
    }

    /// Revokes a cluster; gives its manifest as it is then.
    pub(crate) async fn revoke_cluster(&self, name: &str, purge: bool) -> Result<Value, Failure> {
        let query: &[(&str, &str)] = if purge { &[("purge", "true")] } else { &[] };
        self.answer(self.request(Method::POST, &["clusters", name, "revoke"]).query(query)).await
    }

    /// Forgets a cluster without its agent's word; gives its manifest as it was.
    pub(crate) async fn forget_cluster(&self, name: &str) -> Result<Value, Failure> {
        self.answer(self.request(Method::DELETE, &["clusters", name]).query(&[("force", "true")])).await
    }

    /// Confirms the deletions that wait in a cluster; gives which.
    pub(crate) async fn confirm_deletions(&self, cluster: &str, mode: Mode) -> Result<ConfirmedDeletions, Failure> {
        self.answer(self.request(Method::POST, &["clusters", cluster, "confirm-deletions"]).query(mode.query())).await
    }

    /// Revokes an API token.
    pub(crate) async fn revoke_token(&self, name: &str) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, &["tokens", name])).await.map(drop)
    }

    /// Takes back every join token of a cluster that nobody has used.
    pub(crate) async fn revoke_join_tokens(&self, cluster: &str) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, &["clusters", cluster, "join-tokens"])).await.map(drop)
    }
}
