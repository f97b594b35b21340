//! Who a change is recorded as made by.

use lockstep_core::id::ClusterId;

/// A caller of the REST API, by the name of its token.
pub fn token(name: &str) -> String {
    format!("token:{name}")
}

/// A caller of the REST API, by what an OIDC issuer calls him.
pub fn oidc(issuer: &str, user: &str) -> String {
    format!("oidc:{issuer}:{user}")
}

/// The watcher of a source.
pub fn watch(source: &str) -> String {
    format!("watch:{source}")
}

/// A cluster's agent.
pub fn agent(cluster: ClusterId) -> String {
    format!("agent:{cluster}")
}

/// The control plane itself.
pub fn server(replica: &str) -> String {
    format!("server:{replica}")
}
