//! What an agent noticed by itself.

use lockstep_core::id::BindingId;
use lockstep_proto::{convert, v1};
use lockstep_store::delivery::{Notice, Noticed};

use super::Session;

/// The most that is kept of one report; an agent says the rest again.
const NOTICES_MAX: usize = 1_000;

impl Session {
    pub(super) async fn noticed(&mut self, report: &v1::Report) -> Result<(), convert::ProtocolError> {
        if !report.drifted.is_empty() {
            tracing::warn!(cluster = %self.admitted.name, drifted = report.drifted.len(), "targets were changed in the cluster");
        }
        for binding in report.drifted.iter().take(NOTICES_MAX) {
            self.notice(convert::binding_id(binding)?, Noticed::Drifted).await;
        }
        for restarts in report.restarts.iter().take(NOTICES_MAX) {
            let (binding, revision, progress) = convert::restart_report(restarts)?;
            self.notice(binding, Noticed::Restarts(revision, progress)).await;
        }
        Ok(())
    }

    pub(super) async fn notice(&mut self, binding: BindingId, noticed: Noticed) {
        let (session, cluster) = (self.admitted.session, self.admitted.identity.cluster);
        self.gateway.reports.notice(Notice { session, cluster, binding, noticed }).await;
    }
}
