//! Renewing the agent's certificate beside everything else, because Vault may take its time, and no more often than an agent needs.

use std::time::Duration;

use futures::FutureExt as _;
use lockstep_proto::v1::server_message;
use tokio::time::Instant;

use super::Session;
use crate::gateway::renewal::renew;

/// From one renewal to the next. An agent asks every five minutes at most.
const RENEWAL_PAUSE: Duration = Duration::from_mins(1);

impl Session {
    /// Begins. Whoever asks too soon gets no answer, so that none waits to be sent.
    pub(super) fn renew(&mut self, csr_der: Vec<u8>) {
        let now = Instant::now();
        if !may_renew(self.renewed_at, now) {
            self.gateway.app.metrics.limit_hits.with_label_values(&["renewal"]).inc();
            return;
        }
        self.renewed_at = Some(now);
        let (identity, name) = (self.admitted.identity.clone(), self.admitted.name.clone());
        let renewed = renew(self.gateway.app.clone(), self.admitted.session, identity, name, csr_der);
        self.renewing.push(renewed.map(server_message::Message::Certificate).boxed());
    }
}

fn may_renew(last: Option<Instant>, now: Instant) -> bool {
    last.is_none_or(|last| now - last >= RENEWAL_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_once_a_minute_however_often_it_is_asked_for() {
        let began = Instant::now();
        let (mut last, mut renewals) = (None, 0);
        for tenth in 0..3_000 {
            let now = began + Duration::from_millis(tenth * 100);
            if may_renew(last, now) {
                (last, renewals) = (Some(now), renewals + 1);
            }
        }
        assert_eq!(renewals, 5);
    }
}
