//! What an agent says, as a server takes it apart.

use lockstep_core::history::Mark;
use lockstep_core::revision::{Revision, Seq};
use lockstep_proto::convert::{binding_id, held, held_message, restart_report, restart_report_message, revision, trace_id};
use lockstep_proto::v1::{self, AgentMessage, agent_message::Message};
use lockstep_server::oidc::audiences;
use prost::Message as _;

use crate::Target;

// {"alg":"RS256"}.{"aud":["vault"]}
const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOlsidmF1bHQiXX0.c2ln";

/// The target.
pub const TARGET: Target = Target { name: "agent_message", run, seeds };

fn run(data: &[u8]) {
    let Ok(message) = AgentMessage::decode(data) else { return };
    // Fields that this version does not know are gone by now.
    let bytes = message.encode_to_vec();
    assert_eq!(AgentMessage::decode(&*bytes).expect("what was written can be read").encode_to_vec(), bytes);
    match message.message {
        Some(Message::Hello(hello)) => greeted(hello),
        Some(
            Message::Ack(v1::Ack { binding, revision: of, trace, .. })
            | Message::Reject(v1::Reject { binding, revision: of, trace, .. }),
        ) => {
            named(&binding, of, &trace);
        }
        Some(Message::Need(need)) => need.bindings.iter().for_each(|binding| id(binding)),
        Some(Message::Report(report)) => reported(&report),
        Some(Message::IdentityTokens(shown)) => shown.tokens.iter().for_each(|token| drop(audiences(token))),
        Some(Message::Heartbeat(_) | Message::CertificateRequest(_) | Message::Trusting(_)) | None => {}
    }
}

fn greeted(hello: v1::Hello) {
    if let Some(floor) = hello.floor
        && let Ok(mark) = Mark::try_from(floor.clone())
    {
        assert_eq!(v1::Mark::from(mark), floor);
    }
    for entry in hello.inventory {
        if let Ok((binding, reported)) = held(entry.clone()) {
            assert_eq!(held_message(binding, reported), entry, "what is believed to be held is what was said");
        }
    }
}

fn named(binding: &[u8], of: Option<v1::Revision>, trace: &[u8]) {
    id(binding);
    if let Ok(taken) = revision(of) {
        assert_eq!(Some(v1::Revision::from(taken)), of);
        let next = Revision { epoch: taken.epoch, seq: Seq::new(taken.seq.get().saturating_add(1)) };
        assert!(next >= taken);
    }
    let _ = trace_id(trace);
}

fn id(bytes: &[u8]) {
    match binding_id(bytes) {
        Ok(id) => assert_eq!(id.uuid().as_bytes(), bytes),
        Err(_) => assert_ne!(bytes.len(), 16),
    }
}

fn reported(report: &v1::Report) {
    report.drifted.iter().for_each(|binding| id(binding));
    for restarts in &report.restarts {
        let Ok((binding, revision, progress)) = restart_report(restarts) else { continue };
        let sentences = progress.stuck.iter().chain(&progress.skipped);
        assert!(progress.stuck.len() <= 64 && progress.skipped.len() <= 64, "more sentences than are kept");
        sentences.for_each(|text| assert!(text.chars().count() <= 500 && !text.contains('\0'), "{text:?} cannot be kept"));
        let again = restart_report(&restart_report_message(binding, revision, progress.clone())).expect("ours can be read");
        assert_eq!(again, (binding, revision, progress));
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let id = || vec![7; 16];
    let of = Some(v1::Revision { epoch: 1, seq: 9 });
    let digest = Some(v1::Digest { key: "k1".to_owned(), hmac: vec![5; 32] });
    let hello = v1::Hello {
        version: "0.1.0".to_owned(),
        lease_term: 3,
        floor: Some(v1::Mark { epoch: 1, seq: 9, hash: vec![3; 32] }),
        inventory: vec![v1::Held { binding: id(), revision: of, digest: digest.clone() }],
        sinks: vec!["secret".to_owned()],
        identity_tokens: Some(v1::IdentityTokens { tokens: vec![JWT.to_owned()] }),
        roots: vec![vec![4; 32]],
    };
    let ack = v1::Ack { binding: id(), revision: of, digest, targets_applied: 1, targets_total: 2, ..v1::Ack::default() };
    let reject = v1::Reject { binding: id(), revision: of, kind: 1, cause: "not ours".to_owned(), trace: vec![1; 16] };
    let restarts = v1::RestartReport {
        binding: id(),
        revision: of,
        restarted: 1,
        total: 2,
        stuck: vec!["shop/Deployment/web".to_owned(), "a\0b".repeat(400)],
        ..v1::RestartReport::default()
    };
    let report = v1::Report { drifted: vec![id()], restarts: vec![restarts] };
    let messages = [
        Message::Hello(hello),
        Message::Ack(ack),
        Message::Reject(reject),
        Message::Need(v1::Need { bindings: vec![id(), vec![1]] }),
        Message::Report(report),
        Message::IdentityTokens(v1::IdentityTokens { tokens: vec![JWT.to_owned(), "a.b.c".to_owned()] }),
    ];
    messages.map(|message| AgentMessage { message: Some(message) }.encode_to_vec()).to_vec()
}
