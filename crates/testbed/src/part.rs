//! The parts by name, for fetching them ahead of time.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, bail};

use crate::{charts, faketime, kubernetes, openbao, postgres, prometheus};

/// A program that is looked for on the machine, and fetched when it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The server that keeps Lockstep's registry.
    Postgres,
    /// The server of secrets.
    OpenBao,
    /// The API server's storage.
    Etcd,
    /// Kubernetes' API server.
    KubeApiserver,
    /// What makes Deployments roll out.
    KubeControllerManager,
    /// What plays the kubelet.
    Kwok,
    /// What renders the charts.
    Helm,
    /// What scrapes metrics.
    Prometheus,
    /// What tests its rules.
    Promtool,
    /// What makes a process's clock wrong.
    Faketime,
}

impl Part {
    /// All parts; the quick ones first.
    pub const ALL: [Self; 10] = [
        Self::Postgres,
        Self::OpenBao,
        Self::Faketime,
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::Kwok,
        Self::Helm,
        Self::Prometheus,
        Self::Promtool,
    ];

    /// What it is called on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::OpenBao => "openbao",
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kwok => "kwok",
            Self::Helm => "helm",
            Self::Prometheus => "prometheus",
            Self::Promtool => "promtool",
            Self::Faketime => "faketime",
        }
    }

    /// Where its program is. Fetches it when the machine lacks it, which can take minutes.
    pub fn find(self) -> Result<PathBuf> {
        match self {
            Self::Postgres => postgres::program(),
            Self::OpenBao => openbao::program(),
            Self::Etcd => kubernetes::program(&kubernetes::ETCD),
            Self::KubeApiserver => kubernetes::program(&kubernetes::APISERVER),
            Self::KubeControllerManager => kubernetes::program(&kubernetes::CONTROLLER_MANAGER),
            Self::Kwok => kubernetes::program(&kubernetes::KWOK),
            Self::Helm => charts::helm(),
            Self::Prometheus => prometheus::program(&prometheus::PROMETHEUS),
            Self::Promtool => prometheus::program(&prometheus::PROMTOOL),
            Self::Faketime => faketime::library(),
        }
    }
}

impl FromStr for Part {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let Some(part) = Self::ALL.into_iter().find(|part| part.name() == name) else {
            bail!("there is no part {name}; the parts are: {}", Self::ALL.map(Self::name).join(", "));
        };
        Ok(part)
    }
}
