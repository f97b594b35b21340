//! Join tokens, and the command that an agent joins with.

use anyhow::Context;
use clap::ValueEnum;
use lockstep_api::cluster::{JoinToken, JoinTokenRequest};

use super::{TokenArgs, helm};
use crate::format::Format;
use crate::kind::{Kind, Registered};
use crate::rest::client::Client;
use crate::{age, clock, progress, terminal};

/// Makes a token and shows it.
pub(super) async fn make_token(client: &Client, cluster: &str, args: &TokenArgs) -> anyhow::Result<()> {
    ask(client, cluster, "join-tokens", args).await
}

/// The same, for a cluster that begins anew.
pub(super) async fn rejoin(client: &Client, cluster: &str, args: &TokenArgs) -> anyhow::Result<()> {
    ask(client, cluster, "rejoin", args).await
}

/// Asks for a token and shows it: this answer is the only one that ever holds it.
async fn ask(client: &Client, cluster: &str, call: &str, args: &TokenArgs) -> anyhow::Result<()> {
    args.check()?;
    let ttl_seconds = u32::try_from(args.ttl.as_secs()).context("the token's life is too long: at most a day")?;
    let request = JoinTokenRequest { ttl_seconds: Some(ttl_seconds) };
    let path = ["clusters", cluster, call];
    let token = progress::during("making a join token", client.post::<JoinToken>(&path, &request)).await;
    let token = client.explained(Kind::Registered(Registered::Cluster), cluster, token).await?;
    let left = age::ago(clock::now(), token.expires_at);
    let text = match args.output {
        TokenFormat::Table => for_people(&token, &left),
        TokenFormat::Json => Format::Json.render(&token, String::new)?,
        TokenFormat::Yaml => Format::Yaml.render(&token, String::new)?,
        TokenFormat::Helm => helm::commands(&token, &left, &args.deliver_to)?,
    };
    terminal::print(&text)?;
    terminal::hint(&format!(
        "Next: run the command above in the cluster, then `lockstep wait --for=condition=Ready cluster/{cluster}`."
    ));
    Ok(())
}

/// `-o` of commands that answer with a join token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum TokenFormat {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For programs.
    Yaml,
    /// The commands that install the agent in its cluster with Helm.
    Helm,
}

fn for_people(token: &JoinToken, left: &str) -> String {
    let JoinToken { token: secret, pin, expires_at, .. } = token;
    let expires = expires_at.format("%Y-%m-%d %H:%M:%S UTC");
    format!(
        "Token:    {secret}\nPin:      {pin}\nExpires:  {expires} (in {left}), used once\n\nStart the agent with:\n\n{}\n",
        command(token)
    )
}

/// The token goes through a file: a process's arguments can be read by everybody on its machine.
fn command(token: &JoinToken) -> String {
    let JoinToken { token: secret, pin, cluster, .. } = token;
    let (server, join) = (urls(&token.agent_addresses).join(","), urls(&token.join_addresses).join(","));
    format!(
        "(umask 077 && printf %s '{secret}' > lockstep-join-token)
lockstep-agent run \\
  --state-dir /var/lib/lockstep --directory-root /run/secrets/lockstep \\
  --server {server} \\
  --join {join} \\
  --token-file lockstep-join-token \\
  --pin {pin} \\
  --cluster {cluster}"
    )
}

/// As the agent takes them.
pub(super) fn urls(addresses: &[String]) -> Vec<String> {
    let url = |address: &String| if address.contains("://") { address.clone() } else { format!("https://{address}") };
    addresses.iter().map(url).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn token() -> JoinToken {
        JoinToken {
            cluster: "prod".to_owned(),
            token: "t0ken".to_owned(),
            expires_at: "2026-05-03T10:00:00Z".parse().unwrap(),
            pin: "sha256:ab".to_owned(),
            join_addresses: vec!["https://a:8445".to_owned(), "b:8445".to_owned()],
            agent_addresses: vec!["https://a:8444".to_owned()],
        }
    }

    #[test]
    fn the_command_is_ready_to_run_and_keeps_the_token_out_of_its_arguments() {
        let token = token();
        let text = for_people(&token, "1h");
        assert!(text.contains("Expires:  2026-05-03 10:00:00 UTC (in 1h), used once\n"), "{text}");
        assert!(text.contains("--server https://a:8444 \\\n  --join https://a:8445,https://b:8445 \\\n"), "{text}");
        let arguments = text.split("lockstep-agent run").nth(1).unwrap();
        assert!(!arguments.contains("t0ken") && arguments.contains("--pin sha256:ab \\\n  --cluster prod\n"), "{text}");
    }
}
