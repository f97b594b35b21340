use super::*;

/// What the API server says of a token, as far as it is read.
pub(crate) fn user(username: &str, extra: &[(&str, &str)]) -> UserInfo {
    let extra = extra.iter().map(|(key, value)| (format!("authentication.kubernetes.io/{key}"), vec![(*value).to_owned()]));
    UserInfo { username: Some(username.to_owned()), extra: Some(extra.collect()), ..UserInfo::default() }
}

fn pod() -> Pod {
    let text = str::to_owned;
    Pod { namespace: text("shop"), name: text("web-1"), uid: text("u-1"), service_account: text("web") }
}

const OF_POD: [(&str, &str); 3] = [("pod-name", "web-1"), ("pod-uid", "u-1"), ("node-name", "n1")];

fn refused(result: Result<(), Refusal>) -> String {
    match result {
        Err(Refusal::Denied(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_is_no_service_account_is_nobody() {
    for username in ["admin", "system:node:n1", "system:serviceaccount:shop", "serviceaccount:shop:web"] {
        assert_eq!(Who::of(Some(&user(username, &OF_POD))), None, "{username}");
    }
    assert_eq!(Who::of(None), None);
}

#[test]
fn a_node_agent_is_of_one_service_account_and_of_the_node_that_its_token_names() {
    let who = |username: &str, extra: &[(&str, &str)]| Who::of(Some(&user(username, extra))).unwrap();
    let agent = who("system:serviceaccount:lockstep:lockstep-node", &[("node-name", "n1")]);
    assert_eq!(agent.node_of("lockstep", "lockstep-node"), Ok("n1"));
    for other in ["system:serviceaccount:shop:lockstep-node", "system:serviceaccount:lockstep:web"] {
        let why = refused(who(other, &[("node-name", "n1")]).node_of("lockstep", "lockstep-node").map(|_| ()));
        assert!(why.contains("--node-service-account"), "{why}");
    }
    let unbound = who("system:serviceaccount:lockstep:lockstep-node", &[]);
    assert!(refused(unbound.node_of("lockstep", "lockstep-node").map(|_| ())).contains("1.30"));
}

#[test]
fn a_pods_token_is_of_its_service_account_itself_and_its_node() {
    let is_pod = |username: &str, extra: &[(&str, &str)]| Who::of(Some(&user(username, extra))).unwrap().is_pod(&pod(), "n1");
    let web = "system:serviceaccount:shop:web";
    assert_eq!(is_pod(web, &OF_POD), Ok(()));
    for (username, extra, part) in [
        ("system:serviceaccount:shop:other", OF_POD, "another service account"),
        ("system:serviceaccount:other:web", OF_POD, "another service account"),
        (web, [("pod-name", "web-2"), OF_POD[1], OF_POD[2]], "another pod"),
        (web, [OF_POD[0], ("pod-uid", "u-2"), OF_POD[2]], "another pod"),
        (web, [OF_POD[0], OF_POD[1], ("node-name", "n2")], "not on node n1"),
        (web, [OF_POD[0], OF_POD[1], ("x", "")], "1.30"),
        (web, [("x", ""), OF_POD[1], OF_POD[2]], "bound to no pod"),
        (web, [OF_POD[0], ("pod-uid", ""), OF_POD[2]], "bound to no pod"),
    ] {
        let why = refused(is_pod(username, &extra));
        assert!(why.contains(part), "{why}");
    }
}
