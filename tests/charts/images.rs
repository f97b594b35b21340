//! The Containerfiles, which are not built here: what they say agrees with the rest.

use anyhow::{Context as _, Result};
use lockstep_testbed::charts::Chart;

use crate::cases::{example, root};

fn text(path: &str) -> Result<String> {
    std::fs::read_to_string(root().join(path)).with_context(|| format!("reading {path}"))
}

/// The rest of the only line that begins so.
fn after<'a>(text: &'a str, start: &str) -> Result<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(start));
    let line = lines.next().with_context(|| format!("no line begins with {start:?}"))?;
    anyhow::ensure!(lines.next().is_none(), "several lines begin with {start:?}");
    Ok(line)
}

#[test]
fn each_builds_its_binary_with_this_toolchain_and_runs_it_as_a_user_by_number() -> Result<()> {
    let toolchain = text("rust-toolchain.toml")?;
    let version = after(&toolchain, "channel = ")?.trim_matches('"');
    for (name, package, binary) in [
        ("server", "lockstep-server", "lockstep-server"),
        ("agent", "lockstep-agent", "lockstep-agent"),
        ("cli", "lockstep-cli", "lockstep"),
    ] {
        let file = text(&format!("deploy/images/{name}.Containerfile"))?;
        assert!(after(&file, "ARG BUILD_BASE=rust:")?.starts_with(&format!("{version}-")), "{name}");
        assert_eq!(after(&file, "RUN cargo build --release --locked --package ")?, package);
        let place = format!("/usr/local/bin/{binary}");
        assert_eq!(after(&file, "COPY --from=build ")?, format!("/src/target/release/{binary} {place}"));
        assert_eq!(after(&file, "ENTRYPOINT ")?, format!("[\"{place}\"]"));
        assert_eq!(after(&file, "USER ")?, "65532:65532");
        assert!(file.contains(&format!(
            "-f deploy/images/{name}.Containerfile -t registry.example.com/lockstep/{name}:{} .",
            env!("CARGO_PKG_VERSION")
        )));
    }
    Ok(())
}

#[test]
fn a_pod_has_the_ports_and_the_user_of_its_image() -> Result<()> {
    for (chart, name) in [(Chart::Server, "server"), (Chart::Agent, "agent")] {
        let objects = chart.objects("lockstep", &example(chart))?;
        let deployment = objects.iter().find(|object| object["kind"] == "Deployment").context("no Deployment")?;
        let pod = &deployment["spec"]["template"]["spec"];
        let ports = pod["containers"][0]["ports"].as_array().context("no ports")?;
        let ports: Vec<String> = ports.iter().map(|port| port["containerPort"].to_string()).collect();
        assert_eq!(after(&text(&format!("deploy/images/{name}.Containerfile"))?, "EXPOSE ")?, ports.join(" "));
        assert!(["runAsUser", "runAsGroup", "fsGroup"].iter().all(|field| pod["securityContext"][field] == 65532), "{name}");
    }
    Ok(())
}
