//! What waits for room on the link. A slow agent makes it wait long: what was allowed when it was made may not be any more.

use std::collections::VecDeque;

use futures::FutureExt as _;
use lockstep_core::id::BindingId;
use lockstep_core::revision::Revision;
use lockstep_proto::convert;
use lockstep_proto::v1::{ServerMessage, server_message};
use lockstep_store::delivery::Report;
use lockstep_telemetry::traces::Name;
use tokio::sync::mpsc::Permit;
use tokio::time::Instant;
use tonic::Status;

use super::Session;
use crate::gateway::message::{Delivery, LEAVE_LIFE};
use crate::propagation::Stage;

/// Small messages, and at most one delivery of each binding: no more than may be in flight.
#[derive(Default)]
pub(super) struct Outgoing {
    words: VecDeque<server_message::Message>,
    deliveries: VecDeque<Waiting>,
}

struct Waiting {
    delivery: Delivery,
    /// When leave was last given, or it began to wait with leave just given.
    since: Instant,
}

/// What is to be done with room on the link.
#[expect(clippy::large_enum_variant, reason = "taken apart at once, and never kept")]
enum Next {
    Say(server_message::Message),
    Send(Delivery),
    /// The delivery at the head waited for longer than its leave is good for: to be asked again, with this.
    Ask(Report),
}

/// Whether what waited may still be sent.
pub(super) struct Answer {
    id: BindingId,
    revision: Revision,
    given: bool,
}

impl Outgoing {
    /// Takes a small message. It does not wait for deliveries.
    pub(super) fn say(&mut self, message: server_message::Message) {
        self.words.push_back(message);
    }

    /// Whether small messages wait.
    pub(super) fn has_words(&self) -> bool {
        !self.words.is_empty()
    }

    /// Takes a delivery that has leave. It takes the place of what waited of the same binding.
    pub(super) fn deliver(&mut self, delivery: Delivery, now: Instant) {
        self.withdraw(delivery.report.binding, None);
        self.deliveries.push_back(Waiting { delivery, since: now });
    }

    /// Whether there is something to do with room on the link. While leave is asked again, deliveries wait for the answer.
    pub(super) fn is_due(&self, is_asking: bool) -> bool {
        self.has_words() || (!is_asking && !self.deliveries.is_empty())
    }

    fn next(&mut self, is_asking: bool, now: Instant) -> Option<Next> {
        if let Some(message) = self.words.pop_front() {
            return Some(Next::Say(message));
        }
        let head = self.deliveries.front().filter(|_| !is_asking)?;
        if now - head.since > LEAVE_LIFE {
            return Some(Next::Ask(head.delivery.report.clone()));
        }
        self.deliveries.pop_front().map(|waiting| Next::Send(waiting.delivery))
    }

    /// Leave was given anew.
    fn renew(&mut self, id: BindingId, revision: Revision, now: Instant) {
        let is_it = |w: &&mut Waiting| (w.delivery.report.binding, w.delivery.report.revision) == (id, revision);
        if let Some(waiting) = self.deliveries.iter_mut().find(is_it) {
            waiting.since = now;
        }
    }

    /// Takes out what waits of a binding: of this revision, or of any.
    fn withdraw(&mut self, id: BindingId, revision: Option<Revision>) {
        let is_it = |report: &Report| report.binding == id && revision.is_none_or(|revision| report.revision == revision);
        self.deliveries.retain(|w| !is_it(&w.delivery.report));
    }
}

impl Session {
    /// Uses room on the link.
    pub(super) fn write(&mut self, room: Permit<'_, Result<ServerMessage, Status>>) {
        let now = Instant::now();
        let message = match self.outgoing.next(!self.asking.is_empty(), now) {
            Some(Next::Say(message)) => message,
            Some(Next::Send(Delivery { report, digest, message })) => {
                if self.ledger.is_new(report.binding, report.revision) {
                    self.passed(Stage::Sent, report.revision);
                }
                self.trace_sent(&report, &message, now);
                self.ledger.sent(report.binding, report.revision, digest, now);
                self.gateway.app.metrics.sent.with_label_values(&[&self.admitted.name]).inc();
                message
            }
            Some(Next::Ask(report)) => {
                let (id, revision, reports) = (report.binding, report.revision, self.gateway.reports.clone());
                self.asking.push(async move { Answer { id, revision, given: reports.permit(report).await } }.boxed());
                return;
            }
            None => return,
        };
        room.send(Ok(ServerMessage { message: Some(message) }));
        self.said = now;
    }

    /// Notes the way to the link in the trace of the version that it brings.
    fn trace_sent(&self, report: &Report, message: &server_message::Message, now: Instant) {
        let server_message::Message::Put(put) = message else { return };
        let since = self.ledger.taken_up(report.binding, report.revision).unwrap_or(now);
        if let Ok(Some(trace)) = convert::trace_id(&put.trace) {
            self.trace(trace, Name::Sent, (report.binding, report.revision), now - since);
        }
    }

    /// Leave for what waited was given anew, or not: then it comes again with the next offer, if at all.
    pub(super) fn leave_answered(&mut self, answer: &Answer) {
        let Answer { id, revision, given } = *answer;
        if given {
            self.outgoing.renew(id, revision, Instant::now());
        } else {
            self.outgoing.withdraw(id, Some(revision));
            self.ledger.give_back(id, revision);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lockstep_core::delivery::Outcome;
    use lockstep_core::revision::{Epoch, Seq};
    use lockstep_proto::v1;
    use uuid::Uuid;

    use super::*;

    fn revision(seq: u64) -> Revision {
        Revision { epoch: Epoch::new(1), seq: Seq::new(seq) }
    }

    fn delivery(n: u128, seq: u64) -> Delivery {
        let report = Report {
            session: Uuid::nil().into(),
            cluster: Uuid::nil().into(),
            binding: Uuid::from_u128(n).into(),
            revision: revision(seq),
            outcome: Outcome::Sent,
            cause: None,
            digest: None,
            targets: (0, 0),
            versions: Vec::new(),
            observed: None,
        };
        Delivery { report, digest: None, message: server_message::Message::Delete(v1::Delete::default()) }
    }

    fn heartbeat() -> server_message::Message {
        server_message::Message::Heartbeat(v1::Heartbeat {})
    }

    /// What is done next, in words.
    fn next(outgoing: &mut Outgoing, is_asking: bool, now: Instant) -> String {
        assert!(outgoing.is_due(is_asking) || outgoing.words.is_empty());
        match outgoing.next(is_asking, now) {
            None => "nothing".to_owned(),
            Some(Next::Say(_)) => "say".to_owned(),
            Some(Next::Send(delivery)) => format!("send {}", delivery.report.revision.seq.get()),
            Some(Next::Ask(report)) => format!("ask {}", report.revision.seq.get()),
        }
    }

    const LATER: Duration = Duration::from_mins(2);

    #[test]
    fn what_waited_is_sent_only_with_leave_that_was_given_anew_and_in_its_place() {
        let (mut outgoing, now, id) = (Outgoing::default(), Instant::now(), Uuid::from_u128(1).into());
        outgoing.deliver(delivery(1, 5), now);
        outgoing.deliver(delivery(2, 6), now);
        assert_eq!(next(&mut outgoing, false, now + LATER), "ask 5");
        assert_eq!(next(&mut outgoing, true, now + LATER), "nothing", "none overtakes it meanwhile");
        outgoing.renew(id, revision(5), now + LATER);
        assert_eq!(next(&mut outgoing, false, now + LATER), "send 5");
        assert_eq!(next(&mut outgoing, false, now + LATER), "ask 6", "it waited too");
        outgoing.withdraw(Uuid::from_u128(2).into(), Some(revision(6)));
        assert_eq!(next(&mut outgoing, false, now + LATER), "nothing", "leave was not given");
    }

    #[test]
    fn what_finds_room_at_once_is_not_asked_for_again() {
        let (mut outgoing, now) = (Outgoing::default(), Instant::now());
        outgoing.deliver(delivery(1, 5), now);
        assert_eq!(next(&mut outgoing, false, now + LEAVE_LIFE), "send 5");
    }

    #[test]
    fn of_one_binding_only_the_newest_waits() {
        let (mut outgoing, now) = (Outgoing::default(), Instant::now());
        for seq in 5..9 {
            outgoing.deliver(delivery(1, seq), now);
        }
        assert_eq!([(); 2].map(|()| next(&mut outgoing, false, now)), ["send 8", "nothing"]);
    }

    #[test]
    fn small_messages_do_not_wait_for_an_answer_about_deliveries() {
        let (mut outgoing, now) = (Outgoing::default(), Instant::now());
        outgoing.deliver(delivery(1, 5), now);
        assert_eq!((outgoing.is_due(true), outgoing.has_words()), (false, false));
        outgoing.say(heartbeat());
        assert_eq!((outgoing.is_due(true), outgoing.has_words()), (true, true));
        assert_eq!([(); 2].map(|()| next(&mut outgoing, true, now)), ["say", "nothing"]);
    }
}
