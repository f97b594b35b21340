//! What a server says, as an agent takes it apart.

use lockstep_core::binding::Target as Place;
use lockstep_core::digest::Digest;
use lockstep_core::history::Mark;
use lockstep_core::render::{CONTENT_MAX_BYTES, is_content_key};
use lockstep_proto::convert::{
    allowed_namespaces, binding_id, content, entries, registry_id, restart, restart_message, revision, target_message, trace_id,
};
use lockstep_proto::v1::{self, ServerMessage, server_message::Message};
use prost::Message as _;

use crate::{MATERIAL, Target};

/// The target.
pub const TARGET: Target = Target { name: "server_message", run, seeds };

fn run(data: &[u8]) {
    let Ok(message) = ServerMessage::decode(data) else { return };
    let bytes = message.encode_to_vec();
    assert_eq!(ServerMessage::decode(&*bytes).expect("what was written can be read").encode_to_vec(), bytes);
    match message.message {
        Some(Message::Put(put)) => taken(put),
        Some(Message::Delete(delete)) => {
            let _ = (binding_id(&delete.binding), revision(delete.revision), delete.head.map(Mark::try_from));
        }
        Some(Message::Welcome(welcome)) => drop(registry_id(&welcome.registry)),
        Some(Message::Drain(_) | Message::Revoked(_) | Message::Heartbeat(_) | Message::Certificate(_) | Message::Trust(_))
        | None => {}
    }
}

fn taken(mut put: v1::Put) {
    // As what a secret holds, in whatever else the message has: no error may say it.
    put.content.iter_mut().for_each(|entry| entry.value.splice(0..0, MATERIAL.bytes()).for_each(drop));
    let _ = (binding_id(&put.binding), revision(put.revision), trace_id(&put.trace));
    if let Some(Ok(mark)) = put.head.clone().map(Mark::try_from) {
        assert_eq!(Some(v1::Mark::from(mark)), put.head);
    }
    if let Some(Ok(digest)) = put.digest.clone().map(Digest::try_from) {
        assert_eq!(Some(v1::Digest::from(digest)), put.digest);
    }
    placed(put.target);
    if let Ok(taken) = restart(put.restart) {
        assert_eq!(restart(restart_message(&taken)).expect("ours can be read"), taken);
    }
    match content(put.content) {
        Err(error) => assert!(!format!("{error} {error:?}").contains(MATERIAL), "an error quotes a value"),
        Ok(taken) => {
            assert!(taken.iter().all(|(key, _)| is_content_key(key)), "a key that is no file's name");
            assert!(taken.iter().map(|(_, value)| value.len()).sum::<usize>() <= CONTENT_MAX_BYTES);
            assert!(!format!("{taken:?}").contains(MATERIAL), "content shows its values");
            assert!(content(entries(&taken)).expect("ours can be read") == taken);
        }
    }
}

fn placed(target: Option<v1::Target>) {
    let Some(message) = target else { return };
    let allowed = allowed_namespaces(&message);
    if let (Ok(allowed), Ok(place)) = (allowed, Place::try_from(message)) {
        let again = target_message(place.clone(), &allowed, Vec::new());
        // A directory selects no namespaces, so it says nothing of them.
        assert_eq!(allowed_namespaces(&again).expect("ours can be read"), allowed);
        assert_eq!(Place::try_from(again).expect("ours can be read"), place);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let selector = || v1::Selector {
        requirements: vec![v1::Requirement { key: "env".to_owned(), operator: "In".to_owned(), values: vec!["prod".to_owned()] }],
    };
    let secret = v1::SecretTarget {
        name: "db".to_owned(),
        namespaces: vec!["shop".to_owned()],
        r#type: "Opaque".to_owned(),
        labels: [("team".to_owned(), "shop".to_owned())].into(),
        annotations: [("lockstep.dev/owner".to_owned(), "any text".to_owned())].into(),
        namespace_selector: Some(selector()),
        allowed_namespaces: vec![v1::NamespaceRule { globs: vec!["shop-*".to_owned(), "**".to_owned()] }],
        ..v1::SecretTarget::default()
    };
    let workload = v1::Workload { kind: "Deployment".to_owned(), name: "web".to_owned() };
    let put = v1::Put {
        binding: vec![7; 16],
        binding_name: "db".to_owned(),
        revision: Some(v1::Revision { epoch: 1, seq: 9 }),
        head: Some(v1::Mark { epoch: 1, seq: 9, hash: vec![3; 32] }),
        target: Some(v1::Target { target: Some(v1::target::Target::Secret(secret)) }),
        content: ["user", "tls.crt", ".hidden"].map(|key| v1::Entry { key: key.to_owned(), value: vec![b'v'; 9] }).to_vec(),
        digest: Some(v1::Digest { key: "k1".to_owned(), hmac: vec![5; 32] }),
        trace: vec![1; 16],
        restart: Some(v1::Restart { policy: "Selected".to_owned(), workloads: vec![workload], selector: Some(selector()) }),
        ..v1::Put::default()
    };
    let directory = v1::target::Target::Directory(v1::DirectoryTarget { name: "db".to_owned() });
    let to_directory = v1::Put { target: Some(v1::Target { target: Some(directory) }), ..put.clone() };
    let delete = v1::Delete { binding: vec![7; 16], revision: put.revision, head: put.head.clone(), purge: true };
    let welcome = v1::Welcome { epoch: 1, digest_key: "k1".to_owned(), registry: vec![4; 16], ..v1::Welcome::default() };
    [Message::Put(put), Message::Put(to_directory), Message::Delete(delete), Message::Welcome(welcome)]
        .map(|message| ServerMessage { message: Some(message) }.encode_to_vec())
        .to_vec()
}
