//! The parts of a rotation that has a secret for each cluster.

use anyhow::{Context as _, Result};
use lockstep_core::binding::SecretPattern;
use lockstep_core::engine::Engine;
use lockstep_core::id::RotationId;
use lockstep_core::kv::KvPath;
use lockstep_core::rotation::{CertificateRequest, Kind, RotationSpec};
use lockstep_store::meta::Registered;
use lockstep_store::page::Page;
use lockstep_store::rotation::{self, RotationRecord, own};
use lockstep_store::{project, rotation_run};

use super::{begun, rotation as registered, spec, taken};
use crate::fixture::{Registry, secret_ref, spec as bound, written};

fn each() -> Result<RotationSpec> {
    let one = secret_ref("payments/web")?;
    let secrets =
        SecretPattern { source: one.source, engine: Engine::KvV2, mount: one.mount, path: "payments/{cluster}/tls".parse()? };
    let certificate = CertificateRequest {
        mount: "pki".parse()?,
        role: "web".parse()?,
        common_name: "{cluster}.example".to_owned(),
        alt_names: Vec::new(),
        uris: Vec::new(),
        ttl: None,
    };
    Ok(RotationSpec { kind: Kind::PkiPerCluster { secrets, certificate }, ..spec("payments/web")? })
}

async fn follow(registry: &Registry, id: RotationId) -> Result<Vec<Registered<RotationRecord>>> {
    let mut c = registry.connection().await?;
    let parent = rotation::by_id(&mut c, id).await?.context("it is there")?;
    let Kind::PkiPerCluster { secrets, .. } = &parent.spec.spec.kind else { anyhow::bail!("one for each") };
    own::follow(&mut c, &parent, secrets).await?;
    Ok(own::of(&mut c, &[id]).await?)
}

fn shown(parts: &[Registered<RotationRecord>]) -> Vec<(String, Option<KvPath>)> {
    parts.iter().map(|part| (part.name.clone(), part.spec.spec.kind.secret().map(|secret| secret.path.clone()))).collect()
}

#[tokio::test]
async fn each_cluster_that_draws_its_own_path_has_a_part_that_follows_the_rotation_and_goes_with_the_placement() -> Result<()> {
    let registry = Registry::new().await?;
    for name in ["eu", "us", "idle"] {
        registry.cluster(name, &format!("env=prod name={name}")).await?;
    }
    registry.grant("all", "payments/**", "").await?;
    for name in ["eu", "us"] {
        registry.bind(&format!("web-{name}"), bound(&[&format!("payments/{name}/tls")], &format!("name={name}"))?).await?;
    }
    // The path of another cluster than the one in which it is placed is nobody's own.
    registry.bind("stray", bound(&["payments/idle/tls"], "name=eu")?).await?;
    let id = registered(&registry, "web").await?;
    let mut written_spec = each()?;
    let write = async |spec: &RotationSpec| -> Result<()> {
        let timetable = rotation::by_id(&mut *registry.connection().await?, id).await?.context("it is there")?.spec.timetable;
        registry
            .change(async |c, seq| {
                let project = project::id(c, &"payments".parse()?).await?;
                Ok(rotation::put(c, &written("web", ""), project, spec, &timetable, seq).await?)
            })
            .await
    };
    write(&written_spec).await?;
    let parts = follow(&registry, id).await?;
    let path = |path: &str| path.parse().ok();
    assert_eq!(shown(&parts), [("web/eu".to_owned(), path("payments/eu/tls")), ("web/us".to_owned(), path("payments/us/tls"))]);
    assert_eq!(follow(&registry, id).await?, parts, "nothing is new");
    let mut c = registry.connection().await?;
    let (listed, _) = rotation::list(&mut c, &Page::default()).await?;
    assert_eq!(listed.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["web"], "parts are in no list");

    // Both may run at once; the rotation has the runs of both.
    for part in &parts {
        begun(&registry, part.id.into(), 1).await?.context("nothing is open")?;
    }
    let (runs, _) = rotation_run::list(&mut c, id, &Page::default()).await?;
    let mut clusters: Vec<_> = runs.iter().filter_map(|run| run.cluster.as_deref()).collect();
    clusters.sort_unstable();
    assert_eq!(clusters, ["eu", "us"]);
    assert_eq!(rotation::count_by_state(&mut c).await?, [("Running".to_owned(), 1)], "it is counted once");

    // What is written anew is so in each part; what was issued before counts where it is still what is asked for.
    written_spec.suspend = true;
    write(&written_spec).await?;
    let now = follow(&registry, id).await?;
    assert!(now.iter().all(|part| part.spec.spec.suspend));
    assert_eq!(now.iter().map(|p| p.spec.kind_at).collect::<Vec<_>>(), parts.iter().map(|p| p.spec.kind_at).collect::<Vec<_>>());

    // With a run under way a part stays until that has ended.
    registry.unbind("web-us").await?;
    assert_eq!(follow(&registry, id).await?.len(), 2);
    while let Some(hold) = taken(&registry, "a").await? {
        rotation_run::enter(&mut c, &hold, &lockstep_core::rotation::stage::Stage::Failed("over".to_owned())).await?;
    }
    assert_eq!(shown(&follow(&registry, id).await?).len(), 1);
    Ok(())
}
