//! What `lockstep cluster register -o helm` prints, run by a shell: the real helm installs the agent through a real API server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::charts::helm;
use lockstep_testbed::fleet::Settings;
use lockstep_testbed::{Fleet, Folder, Kubernetes};
use serde_json::Value;
use tokio::process::Command;

use crate::cases::root;

/// There is no kubectl here: it keeps what it is called with, and what it reads.
const KUBECTL: &str = r#"#!/bin/sh
printf '%s\n' "$*" >> "$KEPT/arguments"
case "$*" in
*"secret generic"*) cat > "$KEPT/token" ;;
*apply*) cat > "$KEPT/applied" ;;
*) echo namespace ;;
esac
"#;

/// Where an operator would be: kubectl and helm, and a kubeconfig.
struct Desk {
    folder: Folder,
    kubeconfig: PathBuf,
}

impl Desk {
    fn new(kubernetes: &Kubernetes) -> Result<Self> {
        let folder = Folder::new("desk")?;
        let kubectl = folder.path().join("kubectl");
        std::fs::write(&kubectl, KUBECTL)?;
        std::fs::set_permissions(&kubectl, std::fs::Permissions::from_mode(0o755))?;
        Ok(Self { folder, kubeconfig: kubernetes.kubeconfig().to_owned() })
    }

    async fn run(&self, commands: &str, image: Option<&str>) -> Result<std::process::Output> {
        let helm = helm()?;
        let path = [self.folder.path(), helm.parent().unwrap_or(Path::new("/")), Path::new("/usr/bin"), Path::new("/bin")];
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(commands).current_dir(root()).env_clear().env("PATH", std::env::join_paths(path)?);
        shell.env("HOME", self.folder.path()).env("KEPT", self.folder.path()).env("KUBECONFIG", &self.kubeconfig);
        if let Some(image) = image {
            shell.env("LOCKSTEP_AGENT_IMAGE", image);
        }
        shell.output().await.context("running a shell")
    }

    fn kept(&self, name: &str) -> Result<String> {
        std::fs::read_to_string(self.folder.path().join(name)).with_context(|| format!("kubectl kept no {name}"))
    }
}

fn succeeded(output: &std::process::Output) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

async fn arguments(kubernetes: &Kubernetes) -> Result<Vec<String>> {
    let deployment = kubernetes.request("GET", "/apis/apps/v1/namespaces/lockstep/deployments/lockstep-agent", None).await?;
    let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    Ok(arguments.as_array().context("no arguments")?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

#[tokio::test]
async fn the_printed_commands_install_the_agent_and_repeated_keep_its_rights() -> Result<()> {
    let fleet = Fleet::start_replicas(Settings { replicas: 1, clusters: 0, ..Settings::default() }).await?;
    let kubernetes = Kubernetes::shared().await?;
    // kubectl would make the first, an operator has made the second.
    kubernetes.create_namespace("lockstep").await?;
    kubernetes.create_namespace("registered-shop").await?;
    let desk = Desk::new(kubernetes)?;

    let registered = fleet.cli(&["cluster", "register", "prod-eu", "-o", "helm", "--deliver-to", "registered-shop"]).await?;
    let without = desk.run(&registered.stdout, None).await?;
    assert!(
        !without.status.success()
            && String::from_utf8(without.stderr)?.contains("LOCKSTEP_AGENT_IMAGE: set it to the repository")
    );
    assert!(desk.kept("arguments").is_err(), "nothing was done");

    succeeded(&desk.run(&registered.stdout, Some("registry.example.com/lockstep/agent")).await?)?;
    let token = desk.kept("token")?;
    assert!(token.len() > 20 && registered.stdout.matches(&token).count() == 1, "the token came through the pipe, as it is");
    assert!(!desk.kept("arguments")?.contains(&token), "the token is in nobody's arguments");
    let with = arguments(kubernetes).await?;
    let replica = &fleet.replicas[0];
    let (server, join) = (format!("--server={}", replica.agents_url()), format!("--join={}", replica.join_url()));
    for argument in [server, join, "--cluster=prod-eu".to_owned()] {
        assert!(with.contains(&argument), "{with:?} lacks {argument}");
    }
    assert!(
        with.iter().any(|argument| argument.starts_with("--pin=sha256:")) && !with.iter().any(|a| a.contains(&token)),
        "{with:?}"
    );
    let role = "/apis/rbac.authorization.k8s.io/v1/namespaces/registered-shop/roles/lockstep-lockstep-agent";
    kubernetes.request("GET", role, None).await.context("the namespace that was named has no role")?;

    let again = fleet.cli(&["cluster", "token", "prod-eu", "-o", "helm"]).await?;
    succeeded(&desk.run(&again.stdout, Some("registry.example.com/lockstep/agent")).await?)?;
    assert_ne!(desk.kept("token")?, token);
    kubernetes.request("GET", role, None).await.context("a new token took rights away")?;
    assert_eq!(arguments(kubernetes).await?, with);
    Ok(())
}
