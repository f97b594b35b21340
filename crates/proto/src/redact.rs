//! `Debug` for the messages that carry plaintext or credentials: generated `Debug` would print them.

use std::fmt;

use crate::v1::{Entry, IdentityTokens, JoinRequest, Welcome};
use crate::{node, provider};

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("key", &self.key).field("value_bytes", &self.value.len()).finish()
    }
}

impl fmt::Debug for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Welcome").field("epoch", &self.epoch).field("held", &self.held).finish_non_exhaustive()
    }
}

impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinRequest").finish_non_exhaustive()
    }
}

impl fmt::Debug for IdentityTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityTokens").field("count", &self.tokens.len()).finish()
    }
}

impl fmt::Debug for node::Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("key", &self.key).field("value_bytes", &self.value.len()).finish()
    }
}

impl fmt::Debug for node::CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheKey").field("name", &self.name).field("value_bytes", &self.value.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for node::ReadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadRequest").field("pod", &self.pod).field("objects", &self.objects).finish_non_exhaustive()
    }
}

impl fmt::Debug for provider::MountRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MountRequest").field("target_path", &self.target_path).finish_non_exhaustive()
    }
}

impl fmt::Debug for provider::File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, mode, contents } = self;
        f.debug_struct("File").field("path", path).field("mode", mode).field("bytes", &contents.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::v1::{
        AgentMessage, Entry, IdentityTokens, JoinRequest, Put, ServerMessage, Welcome, agent_message, server_message,
    };
    use crate::{node, provider};

    #[test]
    fn debug_of_a_message_shows_no_plaintext_and_no_credential() {
        let canary = || b"canary".to_vec();
        let put = Put { content: vec![Entry { key: "k".into(), value: canary() }], ..Put::default() };
        let message = ServerMessage { message: Some(server_message::Message::Put(put)) };
        let welcome = Welcome { digest_key_bytes: canary(), ..Welcome::default() };
        let join = JoinRequest { token: "canary".into(), csr_der: Vec::new(), cluster: String::new() };
        let entry = node::Entry { key: "k".into(), value: canary() };
        let cached = node::CacheKey { value: canary(), ..node::CacheKey::default() };
        let read = node::ReadRequest { pod_token: "canary".into(), ..node::ReadRequest::default() };
        let mount = provider::MountRequest { attributes: "canary".into(), secrets: "canary".into(), ..Default::default() };
        let file = provider::File { path: "k".into(), mode: 0o400, contents: canary() };
        let tokens = agent_message::Message::IdentityTokens(IdentityTokens { tokens: vec!["canary".into()] });
        let text = format!(
            "{message:?} {welcome:?} {join:?} {entry:?} {cached:?} {read:?} {mount:?} {file:?} {:?}",
            AgentMessage { message: Some(tokens) }
        );
        assert!(!text.contains("canary") && !text.contains(&format!("{:?}", canary())), "{text}");
    }
}
