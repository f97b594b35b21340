use lockstep_proto::node::ReadResponse;

use crate::site::{AUDIENCE, Site, of_binding, of_path, read};

/// What was given, as text, object by object.
fn texts(response: &ReadResponse) -> Vec<Vec<(String, String)>> {
    let entry = |entry: &lockstep_proto::node::Entry| (entry.key.clone(), String::from_utf8(entry.value.clone()).unwrap());
    response.objects.iter().map(|object| object.entries.iter().map(entry).collect()).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[tokio::test]
async fn a_pod_is_given_what_a_binding_gives_it_and_the_version_changes_with_the_content() {
    let mut site = Site::new().await;
    let (running, mut link, client) = site.open().await;
    site.deliver(&mut link, 1, "one").await;
    let pod = site.pod(&site.shop, "web-1", "web", &site.nodes[0]).await;
    let (node_token, token) = (site.node_token(0).await, site.token(&pod, AUDIENCE).await);
    let objects = || vec![of_path("kv/data/db", "password"), of_binding("checkout-db", "USER"), of_path("kv/db", "")];
    let first = read(&client, &node_token, &pod, &token, objects()).await.unwrap();
    assert_eq!(
        texts(&first),
        [
            pairs(&[("password", "canary-7a2e-one")]),
            pairs(&[("USER", "canary-7a2e-app")]),
            pairs(&[("password", "canary-7a2e-one"), ("user", "canary-7a2e-app")]),
        ]
    );
    assert!(first.objects.iter().all(|object| !object.stale && !object.version.is_empty()));
    assert_eq!(read(&client, &node_token, &pod, &token, objects()).await.unwrap(), first, "unchanged: the same versions");
    site.deliver(&mut link, 2, "two").await;
    let second = read(&client, &node_token, &pod, &token, objects()).await.unwrap();
    assert_eq!(texts(&second)[0], pairs(&[("password", "canary-7a2e-two")]));
    let version = |response: &ReadResponse, at: usize| response.objects[at].version.clone();
    assert_ne!(version(&first, 0), version(&second, 0));
    assert_eq!(version(&first, 1), version(&second, 1), "the user did not change");
    // One line for each says who got what, by name and version.
    let log = site.log.text();
    let lines: Vec<&str> =
        log.lines().filter(|line| line.contains("volume read") && line.contains(&pod.uid) && line.contains("given")).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for part in [&format!("{}/web-1", site.shop), &site.nodes[0], "web", "kv/data/db", "checkout-db", &version(&second, 0)] {
        assert!(lines[2].contains(part), "{part}: {}", lines[2]);
    }
    for (name, want) in [
        ("lockstep_agent_volume_reads_total", "3"),
        ("lockstep_agent_volume_objects_total", "9"),
        ("lockstep_agent_volume_stale_reads_total", "0"),
        // One of the node agent, three of the pod; two were known.
        ("lockstep_agent_token_reviews_total", "6"),
    ] {
        assert_eq!(site.fixture.metric(name), want, "{name}");
    }
    site.nothing_shown(&[&node_token, &token]);
    // A server's side of a stream ends only when this is dropped.
    drop(link);
    running.end().await.unwrap();
}

#[tokio::test]
async fn without_a_link_it_is_still_given_as_stale_and_what_is_not_known_may_be_there_later() {
    let mut site = Site::new().await;
    let (running, mut link, client) = site.open().await;
    site.deliver(&mut link, 1, "one").await;
    let pod = site.pod(&site.shop, "web-1", "web", &site.nodes[0]).await;
    let (node_token, token) = (site.node_token(0).await, site.token(&pod, AUDIENCE).await);
    drop(link);
    let unlinked = async || (site.fixture.metric("lockstep_agent_connected") == "0").then_some(());
    lockstep_testbed::wait::until("the link to be lost", crate::site::PATIENCE, unlinked).await.unwrap();
    let given = read(&client, &node_token, &pod, &token, vec![of_binding("checkout-db", "")]).await.unwrap();
    assert!(given.objects[0].stale && given.objects[0].entries.len() == 2, "{given:?}");
    let refused = read(&client, &node_token, &pod, &token, vec![of_binding("another", "")]).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused}");
    assert!(refused.message().contains("another") && refused.message().contains("not linked"), "{refused}");
    running.end().await.unwrap();
}
