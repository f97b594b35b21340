//! What an agent says: what became of a delivery, what it needs, and the rest.

use lockstep_core::delivery::Outcome;
use lockstep_core::digest::Digest;
use lockstep_core::plan::Reported;
use lockstep_proto::convert;
use lockstep_proto::v1::{self, AgentMessage, agent_message};
use lockstep_store::delivery::Report;
use lockstep_telemetry::traces::Name;
use tokio::time::Instant;

use super::{NEED_PAUSE, Session};
use crate::gateway::admission::show;
use crate::gateway::ledger::Confirmed;
use crate::propagation::Stage;

/// How much of what an agent says of a refusal is kept.
const CAUSE_CHARS_MAX: usize = 500;

impl Session {
    /// `false`: the message breaks the protocol.
    pub(super) async fn heed(&mut self, message: AgentMessage) -> bool {
        let heeded = match message.message {
            Some(agent_message::Message::Ack(ack)) => self.ack(ack).await,
            Some(agent_message::Message::Reject(reject)) => self.reject(reject).await,
            Some(agent_message::Message::Need(need)) => self.need(&need),
            Some(agent_message::Message::Report(report)) => self.noticed(&report).await,
            Some(agent_message::Message::CertificateRequest(request)) => {
                self.renew(request.csr_der);
                Ok(())
            }
            Some(agent_message::Message::IdentityTokens(shown)) => {
                self.shown(&shown.tokens).await;
                Ok(())
            }
            Some(agent_message::Message::Trusting(trusting)) => {
                self.trusts(trusting);
                Ok(())
            }
            Some(agent_message::Message::Hello(_)) => return false,
            // A newer agent may say things that this server does not know: additive, so ignored.
            Some(agent_message::Message::Heartbeat(_)) | None => Ok(()),
        };
        heeded.inspect_err(|error| tracing::warn!(cluster = %self.admitted.name, %error, "an agent broke the protocol")).is_ok()
    }

    async fn ack(&mut self, ack: v1::Ack) -> Result<(), convert::ProtocolError> {
        let id = convert::binding_id(&ack.binding)?;
        let revision = convert::revision(ack.revision)?;
        let digest = ack.digest.map(Digest::try_from).transpose()?;
        let trace = convert::trace_id(&ack.trace)?;
        let reported = Reported { revision, digest: digest.clone() };
        let is_new = self.ledger.is_new(id, revision);
        match self.ledger.acked(id, reported, Instant::now()) {
            Some(Ok(Confirmed { took, versions })) => {
                if let Some(trace) = trace {
                    self.trace(trace, Name::Confirmed, (id, revision), took);
                }
                if is_new {
                    self.passed(Stage::Applied, revision);
                }
                self.gateway.app.metrics.round_trip.observe(took.as_secs_f64());
                self.answered("applied");
                let span = tracing::info_span!("delivery.acked", trace = trace.map(|t| t.to_string()));
                span.in_scope(|| tracing::info!(cluster = %self.admitted.name, binding = %id, %revision, "delivery confirmed"));
                let report = Report {
                    digest,
                    targets: (ack.targets_applied, ack.targets_total),
                    versions,
                    observed: self.ledger.observes(id).then_some((ack.would_change, ack.would_total)),
                    ..self.report(id, revision, Outcome::Applied)
                };
                self.gateway.reports.report(report).await;
            }
            Some(Err(())) => {
                self.answered("differs");
                let cause = "what the agent holds after applying is not what was sent: is something else writing there?";
                let report = Report { cause: Some(cause.to_owned()), ..self.report(id, revision, Outcome::Failed) };
                self.gateway.reports.report(report).await;
            }
            // A late answer to something that was given up or sent again.
            None => self.answered("late"),
        }
        Ok(())
    }

    async fn reject(&mut self, reject: v1::Reject) -> Result<(), convert::ProtocolError> {
        let id = convert::binding_id(&reject.binding)?;
        let revision = convert::revision(reject.revision)?;
        let outcome = match reject.kind() {
            v1::reject::Kind::Conflict => Outcome::Conflict,
            v1::reject::Kind::Failed | v1::reject::Kind::Older | v1::reject::Kind::Unspecified => Outcome::Failed,
        };
        let cause: String = reject.cause.chars().take(CAUSE_CHARS_MAX).collect();
        tracing::warn!(cluster = %self.admitted.name, binding = %id, %revision, cause, "delivery refused by the agent");
        // An agent also tells that somebody else writes again and again what it has confirmed.
        let is_contested = outcome == Outcome::Conflict && self.ledger.has_at(id, revision);
        if !self.ledger.rejected(id, revision, Instant::now()) && !is_contested {
            // As with an ack: it says nothing of what is under way now.
            self.answered("late");
            return Ok(());
        }
        self.answered("rejected");
        self.gateway.reports.report(Report { cause: Some(cause), ..self.report(id, revision, outcome) }).await;
        Ok(())
    }

    fn need(&mut self, need: &v1::Need) -> Result<(), convert::ProtocolError> {
        let ids = need.bindings.iter().map(|b| convert::binding_id(b)).collect::<Result<Vec<_>, _>>()?;
        self.ledger.needed(&ids);
        // Several needs are one reload, and never more than one each pause.
        self.reload_at.get_or_insert(Instant::now() + NEED_PAUSE);
        Ok(())
    }

    /// What could not be read for want of a token is read now.
    async fn shown(&mut self, tokens: &[String]) {
        show(&self.gateway.app, self.admitted.identity.cluster, tokens).await;
        self.ledger.hurry(Instant::now());
    }

    fn answered(&self, outcome: &str) {
        self.gateway.app.metrics.answered.with_label_values(&[&self.admitted.name, outcome]).inc();
    }
}
