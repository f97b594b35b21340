//! Volumes that are not mounted, and what the pod's events say of it.

use anyhow::Result;
use lockstep_tests::csi_driver::{Class, Pod};
use tonic::{Code, Status};

use crate::world::{POD_TOKEN, VALUE, World, pod};

const DB: &str = "- {binding: db}";

#[tokio::test]
async fn whoever_is_not_who_a_binding_names_gets_nothing() -> Result<()> {
    let world = World::start(1, &[]).await?;
    let class = Class::of(DB);
    let other_account = Pod { service_account: "default".to_owned(), ..pod() };
    world.refused(&other_account, &class, Code::PermissionDenied, "no binding gives it to service account default").await?;
    let other_namespace = Pod { namespace: "other".to_owned(), ..pod() };
    world.refused(&other_namespace, &class, Code::PermissionDenied, "no binding gives it").await?;
    let mut forged = pod();
    forged.tokens.insert("lockstep".to_owned(), "forged".to_owned());
    world.refused(&forged, &class, Code::Unauthenticated, "the pod's token is not one of this cluster").await?;
    world.refused(&pod(), &Class::of("- {binding: nonesuch}"), Code::PermissionDenied, "no binding gives \"nonesuch\"").await?;
    world.refused(&pod(), &Class::of("- {binding: db, secretKey: nokey}"), Code::InvalidArgument, "has no key").await?;
    world.leaves_no_trace().await
}

#[tokio::test]
async fn a_driver_without_tokens_for_us_is_told_what_to_set_and_nobody_is_asked() -> Result<()> {
    let world = World::start(1, &[]).await?;
    for tokens in [vec![], vec![("vault", POD_TOKEN)], vec![("", POD_TOKEN)]] {
        let tokens = tokens.into_iter().map(|(audience, token)| (audience.to_owned(), token.to_owned())).collect();
        let pod = Pod { tokens, ..pod() };
        world.refused(&pod, &Class::of(DB), Code::InvalidArgument, "tokenRequests[0].audience=lockstep").await?;
    }
    assert_eq!(world.asked(), [0]);
    world.leaves_no_trace().await
}

#[tokio::test]
async fn a_class_that_is_wrong_is_refused_before_anybody_is_asked() -> Result<()> {
    let world = World::start(1, &[]).await?;
    for (objects, part) in [
        ("", "there are none"),
        ("- {binding: db, objectName: ../x}", "leads elsewhere"),
        ("- {binding: db, objectName: a/../../x}", "leads elsewhere"),
        ("- {binding: db, objectName: /etc/x}", "begins at the root"),
        ("- {binding: db, filePermission: 01777}", "the most is 0777"),
        ("- {secretPath: pki/issue/web, objectName: c, method: PUT, secretArgs: {ttl: 24h}}", "a Rotation of kind pki"),
    ] {
        world.refused(&pod(), &Class::of(objects), Code::InvalidArgument, part).await?;
    }
    assert_eq!(world.asked(), [0]);
    assert_eq!(world.node.metric("lockstep_node_mounts_total{outcome=\"refused\"}").await?, 6);
    world.leaves_no_trace().await
}

#[tokio::test]
async fn content_that_makes_no_volume_is_refused_without_showing_it() -> Result<()> {
    let world = World::start(1, &[]).await?;
    let large = "x".repeat(1 << 20) + VALUE;
    for (name, key, value) in [("path", "../escape", VALUE), ("path2", "/etc/passwd", VALUE), ("large", "k", &large)] {
        let secret = [(key.to_owned(), value.as_bytes().to_vec())].into();
        world.agents[0].mind().content.insert(name.to_owned(), secret);
    }
    world.agents[0]
        .mind()
        .content
        .entry("odd".to_owned())
        .or_default()
        .insert("b".to_owned(), [b"\xff", VALUE.as_bytes()].concat());
    let large = [0, 1, 2, 3].map(|i| format!("- {{binding: large, objectName: f{i}, secretKey: k}}\n")).concat();
    for (objects, code, part) in [
        ("- {path: path}", Code::InvalidArgument, "\"../escape\" cannot be a file"),
        ("- {path: path2}", Code::InvalidArgument, "begins at the root"),
        ("- {binding: db, secretKey: password, encoding: base64}", Code::InvalidArgument, "is not base64"),
        ("- {binding: db, secretKey: password, encoding: hex}", Code::InvalidArgument, "is not hex"),
        ("- {binding: odd, objectName: all.json}", Code::InvalidArgument, "is not text"),
        ("- {binding: db}\n- {path: database/creds/shop}", Code::InvalidArgument, "would both be file"),
        (&large, Code::ResourceExhausted, "object \"f3\""),
    ] {
        world.refused(&pod(), &Class::of(objects), code, part).await?;
    }
    world.leaves_no_trace().await
}

#[tokio::test]
async fn what_the_agent_cannot_do_now_is_told_with_what_follows() -> Result<()> {
    let world = World::start(1, &[]).await?;
    for (status, part) in [
        (Status::unavailable("it has just begun"), "it has just begun; it is asked again"),
        (Status::resource_exhausted("64 at a time"), "too much to do at once: 64 at a time"),
        (Status::unimplemented("Volumes"), "upgrade it first"),
        (Status::internal("broken"), "failed: Internal: broken"),
    ] {
        let code = status.code();
        world.agents[0].mind().refuses = Some(status);
        world.refused(&pod(), &Class::of(DB), code, part).await?;
    }
    world.agents[0].mind().refuses = None;
    world.mount(DB).await?;
    world.leaves_no_trace().await
}
