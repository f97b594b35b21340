//! The parts of a rotation that has a secret for each cluster.

use anyhow::{Context as _, Result};
use lockstep_core::binding::SecretPattern;
use lockstep_core::engine::Engine;
use lockstep_core::id::RotationId;
use lockstep_core::kv::KvPath;
use lockstep_core::rotation::stage::Stage;
use lockstep_core::rotation::{CertificateRequest, Kind, RotationSpec};
use lockstep_store::meta::Registered;
use lockstep_store::page::Page;
use lockstep_store::rotation::{self, RotationRecord, own};
use lockstep_store::{grant, project, rotation_run};
use lockstep_testbed::wait;

use super::{begun, rotation as registered, spec, taken};
use crate::fixture::{LIMIT, Registry, grant_spec, secret_ref, spec as bound, time, written};

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

/// Writes rotation `web` anew, as that project's.
async fn write(registry: &Registry, project: &str, spec: &RotationSpec) -> Result<()> {
    let timetable = rotation::get(&mut *registry.connection().await?, "web").await?.spec.timetable;
    registry
        .change(async |c, seq| {
            let project = project::id(c, &project.parse()?).await?;
            Ok(rotation::put(c, &written("web", ""), project, spec, &timetable, seq).await?)
        })
        .await
}

/// Clusters `eu` and `us`, in each of which a binding draws its own path, and rotation `web`, with no part yet.
async fn placed() -> Result<(Registry, RotationId)> {
    let registry = Registry::new().await?;
    registry.grant("all", "payments/**", "").await?;
    for name in ["eu", "us"] {
        registry.cluster(name, &format!("env=prod name={name}")).await?;
        registry.bind(&format!("web-{name}"), bound(&[&format!("payments/{name}/tls")], &format!("name={name}"))?).await?;
    }
    let id = registered(&registry, "web").await?;
    write(&registry, "payments", &each()?).await?;
    Ok((registry, id))
}

async fn fail_all(registry: &Registry) -> Result<()> {
    while let Some(hold) = taken(registry, "a").await? {
        rotation_run::enter(&mut *registry.connection().await?, &hold, &Stage::Failed("over".to_owned())).await?;
    }
    Ok(())
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
    write(&registry, "payments", &written_spec).await?;
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
    write(&registry, "payments", &written_spec).await?;
    let now = follow(&registry, id).await?;
    assert!(now.iter().all(|part| part.spec.spec.suspend));
    assert_eq!(now.iter().map(|p| p.spec.kind_at).collect::<Vec<_>>(), parts.iter().map(|p| p.spec.kind_at).collect::<Vec<_>>());

    // With a run under way a part stays until that has ended.
    registry.unbind("web-us").await?;
    assert_eq!(follow(&registry, id).await?.len(), 2);
    fail_all(&registry).await?;
    assert_eq!(shown(&follow(&registry, id).await?).len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_part_is_made_only_where_a_grant_of_the_rotation_s_own_project_allows_the_path_whoever_draws_it() -> Result<()> {
    let (registry, id) = placed().await?;
    let grant = async |glob: &str| {
        let spec = grant_spec(glob, "", &[])?;
        registry
            .change(async |c, seq| {
                let project = project::id(c, &"shop".parse()?).await?;
                Ok(grant::put(c, &written("shop", ""), project, &spec, seq).await?)
            })
            .await
    };
    registry.change(async |c, seq| Ok(project::put(c, &written("shop", ""), None, seq).await?)).await?;
    grant("payments/eu/*").await?;
    write(&registry, "shop", &each()?).await?;
    let names = |parts: &[Registered<RotationRecord>]| parts.iter().map(|part| part.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&follow(&registry, id).await?), ["web/eu"], "what another project's binding draws is that project's");

    grant("payments/*/tls").await?;
    assert_eq!(names(&follow(&registry, id).await?), ["web/eu", "web/us"]);
    grant("payments/us/*").await?;
    let parts = follow(&registry, id).await?;
    assert_eq!(names(&parts), ["web/eu", "web/us"], "what was made before is known by its part");
    let mut c = registry.connection().await?;
    assert!(!own::is_granted(&mut c, &parts[0]).await? && own::is_granted(&mut c, &parts[1]).await?);
    let Kind::PkiPerCluster { secrets, .. } = each()?.kind else { anyhow::bail!("one for each") };
    let wanted = own::wanted(&mut c, parts[0].spec.project_id, &secrets).await?;
    assert_eq!(wanted.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["us"]);
    Ok(())
}

#[tokio::test]
async fn a_part_is_not_current_until_it_has_followed_and_what_a_run_rotates_stays_until_that_has_ended() -> Result<()> {
    let (registry, id) = placed().await?;
    let parts = follow(&registry, id).await?;
    let mut c = registry.connection().await?;
    assert!(own::is_current(&mut c, &parts[0]).await?);
    let mut anew = each()?;
    anew.suspend = true;
    write(&registry, "payments", &anew).await?;
    assert!(!own::is_current(&mut c, &parts[0]).await?, "it was paused, and the part does not know yet");
    let parts = follow(&registry, id).await?;
    assert!(own::is_current(&mut c, &parts[0]).await?);

    begun(&registry, parts[0].id.into(), 1).await?.context("nothing is open")?;
    let Kind::PkiPerCluster { certificate, .. } = &mut anew.kind else { anyhow::bail!("one for each") };
    "{cluster}.other.example".clone_into(&mut certificate.common_name);
    write(&registry, "payments", &anew).await?;
    let busy = follow(&registry, id).await?;
    assert_eq!((&busy[0], own::is_current(&mut c, &busy[0]).await?), (&parts[0], false));
    assert_ne!(busy[1].spec.spec.kind, parts[1].spec.spec.kind, "the other cluster's has no run");
    fail_all(&registry).await?;
    let rested = follow(&registry, id).await?;
    assert_ne!(rested[0].spec.spec.kind, parts[0].spec.spec.kind);
    assert!(own::is_current(&mut c, &rested[0]).await?);
    Ok(())
}

#[tokio::test]
async fn a_part_whose_run_begins_while_its_cluster_is_let_go_stays_until_that_has_ended() -> Result<()> {
    let (registry, id) = placed().await?;
    let parts = follow(&registry, id).await?;
    registry.unbind("web-us").await?;
    let mut beginning = registry.pool.begin().await?;
    rotation_run::begin(&mut beginning, parts[1].id.into(), time(1), "test").await?.context("nothing is open")?;
    let (followed, committed) = tokio::join!(follow(&registry, id), async {
        wait::until("somebody to wait for the run", LIMIT, || registry.somebody_waits()).await?;
        anyhow::Ok(beginning.commit().await?)
    });
    committed?;
    assert_eq!(followed?.len(), 2, "its run is under way");
    fail_all(&registry).await?;
    assert_eq!(follow(&registry, id).await?.len(), 1);
    Ok(())
}
