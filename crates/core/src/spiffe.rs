//! Who an agent is: the SPIFFE ID in its certificate, and nowhere else.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::id::{ClusterId, InstanceId};

/// `spiffe://<trust domain>/cluster/<cluster id>/agent/<instance id>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AgentIdentity {
    /// The trust domain, a DNS name.
    pub trust_domain: TrustDomain,
    /// The cluster that the agent speaks for.
    pub cluster: ClusterId,
    /// The agent installation.
    pub instance: InstanceId,
}

/// A SPIFFE trust domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TrustDomain(String);

/// Why a text is no identity of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// Not a DNS name in lower case.
    #[error("{0:?} is not a trust domain: use a DNS name in lower case")]
    TrustDomain(String),
    /// Another shape.
    #[error("{0:?} is not an agent's SPIFFE ID: spiffe://<trust domain>/cluster/<cluster id>/agent/<instance id>")]
    Shape(String),
}

impl TrustDomain {
    /// The domain as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The control plane's own SPIFFE ID.
    pub fn server_id(&self) -> String {
        format!("spiffe://{}/server", self.0)
    }
}

impl FromStr for TrustDomain {
    type Err = IdentityError;
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        if text.len() <= 253 && text.split('.').all(crate::name::is_dns_label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdentityError::TrustDomain(text.to_owned()))
        }
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AgentIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/cluster/{}/agent/{}", self.trust_domain, self.cluster, self.instance)
    }
}

impl FromStr for AgentIdentity {
    type Err = IdentityError;
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let shape = || IdentityError::Shape(text.to_owned());
        let rest = text.strip_prefix("spiffe://").ok_or_else(shape)?;
        let parts: Vec<&str> = rest.split('/').collect();
        let [domain, "cluster", cluster, "agent", instance] = parts[..] else { return Err(shape()) };
        let identity = Self {
            trust_domain: domain.parse()?,
            cluster: cluster.parse().map_err(|_| shape())?,
            instance: instance.parse().map_err(|_| shape())?,
        };
        // Only the canonical spelling: two spellings of one identity invite a bypass.
        if identity.to_string() == text { Ok(identity) } else { Err(shape()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_an_identity() {
        let good =
            "spiffe://lockstep.example/cluster/018f3c5e-0000-7000-8000-000000000001/agent/018f3c5e-0000-7000-8000-000000000002";
        assert_eq!(good.parse::<AgentIdentity>().unwrap().to_string(), good);
        for bad in [
            "spiffe://lockstep.example/server",
            "spiffe://lockstep.example/cluster/018F3C5E-0000-7000-8000-000000000001/agent/018f3c5e-0000-7000-8000-000000000002",
            "spiffe://lockstep.example/cluster/018f3c5e000070008000000000000001/agent/018f3c5e-0000-7000-8000-000000000002",
            &format!("{good}/"),
            &good.replace("spiffe", "https"),
        ] {
            assert!(bad.parse::<AgentIdentity>().is_err(), "{bad}");
        }
    }
}
