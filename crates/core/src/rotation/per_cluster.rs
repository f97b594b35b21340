//! A certificate's names that differ between clusters: in them `{cluster}` stands for the cluster's name, as in paths.

use super::CertificateRequest;
use crate::kv::CLUSTER;
use crate::name::ClusterName;

impl CertificateRequest {
    /// What is asked for this cluster.
    #[must_use]
    pub fn of(&self, cluster: &ClusterName) -> Self {
        let put = |text: &String| text.replace(CLUSTER, cluster.as_str());
        Self {
            common_name: put(&self.common_name),
            alt_names: self.alt_names.iter().map(put).collect(),
            uris: self.uris.iter().map(put).collect(),
            ..self.clone()
        }
    }
}
