//! `Debug` for the messages that carry plaintext or credentials: generated `Debug` would print them.

use std::fmt;

use crate::v1::{Entry, IdentityTokens, JoinRequest, Welcome};

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

#[cfg(test)]
mod tests {
    use crate::v1::{
        AgentMessage, Entry, IdentityTokens, JoinRequest, Put, ServerMessage, Welcome, agent_message, server_message,
    };

    #[test]
    fn debug_of_a_message_shows_no_plaintext_and_no_credential() {
        let canary = || b"canary".to_vec();
        let put = Put { content: vec![Entry { key: "k".into(), value: canary() }], ..Put::default() };
        let message = ServerMessage { message: Some(server_message::Message::Put(put)) };
        let welcome = Welcome { digest_key_bytes: canary(), ..Welcome::default() };
        let join = JoinRequest { token: "canary".into(), csr_der: Vec::new(), cluster: String::new() };
        let tokens = agent_message::Message::IdentityTokens(IdentityTokens { tokens: vec!["canary".into()] });
        let text = format!("{message:?} {welcome:?} {join:?} {:?}", AgentMessage { message: Some(tokens) });
        assert!(!text.contains("canary") && !text.contains(&format!("{:?}", canary())), "{text}");
    }
}
