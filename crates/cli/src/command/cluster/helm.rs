//! The commands that install the agent with Helm.

use lockstep_api::cluster::JoinToken;
use lockstep_core::name::Namespace;
use serde_json::json;

use super::join::urls;

/// Commands for a shell. Where image and chart are, nobody but the reader knows. The token goes through a pipe: a process's arguments can be
/// read by everybody on its machine. Repeated, also with another token, they change only what they name.
pub(super) fn commands(token: &JoinToken, left: &str, deliver_to: &[Namespace]) -> anyhow::Result<String> {
    let JoinToken { cluster, token: secret, pin, expires_at, .. } = token;
    let expires = expires_at.format("%Y-%m-%d %H:%M:%S UTC");
    let list = |list: &[String]| serde_json::to_string(list);
    let mut values = vec![
        format!("--set-json {}", quoted(&format!("server.addresses={}", list(&urls(&token.agent_addresses))?))),
        format!("--set-json {}", quoted(&format!("server.join={}", list(&urls(&token.join_addresses))?))),
        format!("--set-string {}", quoted(&format!("server.pin={pin}"))),
        "--set-string join.existingSecret=lockstep-agent-join".to_owned(),
        format!("--set-string {}", quoted(&format!("join.cluster={cluster}"))),
    ];
    if !deliver_to.is_empty() {
        let names: Vec<&str> = deliver_to.iter().map(Namespace::as_str).collect();
        values.push(format!("--set-json {}", quoted(&format!("rbac.namespaces={}", json!(names)))));
    }
    Ok(format!(
        "\
# Installs the agent of cluster {cluster} where kubectl and helm reach that cluster. The token is used once, until {expires} (in {left}).
: \"${{LOCKSTEP_AGENT_IMAGE:?set it to the repository of the image that deploy/images/agent.Containerfile builds}}\" &&
kubectl create namespace lockstep --dry-run=client -o yaml | kubectl apply --server-side -f - &&
printf %s {} |
  kubectl create secret generic lockstep-agent-join --namespace lockstep --from-file=token=/dev/stdin --dry-run=client -o yaml |
  kubectl apply --server-side -f - &&
helm upgrade --install lockstep-agent \"${{LOCKSTEP_AGENT_CHART:-deploy/charts/lockstep-agent}}\" \\
  --namespace lockstep --reset-then-reuse-values \\
  --set-string image.repository=\"$LOCKSTEP_AGENT_IMAGE\" \\
  {}
",
        quoted(secret),
        values.join(" \\\n  ")
    ))
}

/// One word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::cluster::join::tests::token;

    #[test]
    fn the_commands_name_what_the_answer_says_and_give_the_token_to_standard_input_only() {
        let text = commands(&token(), "1h", &[]).unwrap();
        assert!(text.contains("--set-json 'server.addresses=[\"https://a:8444\"]' \\\n"), "{text}");
        assert!(text.contains("--set-json 'server.join=[\"https://a:8445\",\"https://b:8445\"]' \\\n"), "{text}");
        assert!(text.contains("--set-string 'server.pin=sha256:ab' \\\n"), "{text}");
        assert!(text.contains("--set-string 'join.cluster=prod'\n"), "{text}");
        assert_eq!((text.matches("t0ken").count(), text.matches("printf %s 't0ken' |\n").count()), (1, 1), "{text}");
        assert!(!text.contains("rbac"), "{text}");
    }

    #[test]
    fn namespaces_to_deliver_to_are_among_the_values() {
        let names = ["shop-prod", "shop-test"].map(|name| name.parse().unwrap());
        let text = commands(&token(), "1h", &names).unwrap();
        assert!(text.ends_with("--set-json 'rbac.namespaces=[\"shop-prod\",\"shop-test\"]'\n"), "{text}");
    }

    #[test]
    fn what_a_shell_would_read_is_quoted() {
        assert_eq!(quoted("a'b $(c)"), r"'a'\''b $(c)'");
    }
}
