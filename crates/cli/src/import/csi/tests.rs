use std::collections::BTreeSet;

use lockstep_api::binding::{BindingSpec, CheckedBinding};
use lockstep_core::binding::{CsiSource, Target};
use serde_json::{Value, json};

use super::super::{Outcome, Tool, Verdict, Wanted, import, report};

fn wanted(accounts: &[&str]) -> Wanted {
    let service_accounts = accounts.iter().map(|name| (*name).to_owned()).collect();
    Wanted { service_accounts, ..super::super::tests::wanted() }
}

fn class(namespace: &str, name: &str, objects: &Value) -> (Value, String) {
    let class = json!({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"provider": "vault", "parameters": {"roleName": "shop", "objects": objects.to_string()}},
    });
    (class, format!("{name}.yaml:1"))
}

fn password(path: &str) -> Value {
    json!({"objectName": "password", "secretPath": path, "secretKey": "password"})
}

/// Something with a pod in it, at `place`, that mounts class `db`.
fn workload(kind: &str, place: &str, driver: &str, account: Option<&str>) -> (Value, String) {
    let volumes = json!([{"name": "s", "csi": {"driver": driver, "volumeAttributes": {"secretProviderClass": "db"}}}]);
    let pod = json!({"serviceAccountName": account, "volumes": volumes});
    let spec = place.rsplit('/').filter(|part| !part.is_empty()).fold(pod, |inner, part| json!({ part: inner }));
    let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "w", "namespace": "shop"}});
    object["spec"] = spec["spec"].clone();
    (object, "w.yaml:1".to_owned())
}

fn specs(outcomes: &[Outcome]) -> Vec<&BindingSpec> {
    outcomes.iter().flat_map(|outcome| &outcome.made).map(|made| &made.spec).collect()
}

/// Of the first binding.
fn accounts(outcomes: &[Outcome]) -> Vec<String> {
    let spec = specs(outcomes).first().copied();
    spec.and_then(|spec| spec.target.csi.clone()).map(|csi| csi.service_accounts).unwrap_or_default()
}

/// The content's keys that an asker gets for a path and a key, as the agent looks them up.
fn found(spec: &BindingSpec, path: &str, key: &str) -> Vec<String> {
    let checked = CheckedBinding::try_from(spec).unwrap().spec.delivered;
    assert!(matches!(checked.target, Target::Csi(_)), "{spec:?}");
    let sources = checked.items.iter().filter_map(|item| CsiSource::of(item, item.secret.everywhere()?));
    let there = sources.filter(|source| source.is_at(path));
    there.filter_map(|source| source.content_key(key).map(str::to_owned)).collect()
}

#[test]
fn a_mounted_class_finds_each_of_its_objects_by_its_path_and_needs_no_other_word() {
    let objects = json!([
        password("kv/data/shop/db"),
        {"objectName": "mail/password", "secretPath": "kv/data/shop/mail", "secretKey": "password", "encoding": "base64"},
        {"objectName": "user", "secretPath": "/kv/data/shop/mail", "secretKey": "user", "filePermission": "0400"},
        {"objectName": "role", "secretPath": "database/static-creds/app", "secretKey": "username"},
    ]);
    let outcomes = import(Tool::Csi, vec![class("shop", "db", &objects)], &wanted(&["checkout"]));
    assert_eq!((outcomes[0].verdict, outcomes[0].bindings.as_slice()), (Verdict::Mapped, &["db".to_owned()][..]));
    assert_eq!(outcomes[0].next(), Some("the class stays, with `provider: lockstep` in place of `provider: vault`"));
    let [spec] = specs(&outcomes)[..] else { panic!("{outcomes:?}") };
    let csi = spec.target.csi.clone().unwrap();
    assert_eq!((csi.namespaces, csi.service_accounts), (vec!["shop".to_owned()], vec!["checkout".to_owned()]));
    assert_eq!((spec.mode.as_ref(), spec.items.len()), (None, 3), "an item for each secret");
    assert!(spec.items.iter().all(|item| item.base64.is_empty()), "the class decodes: {spec:?}");
    let mut content = BTreeSet::new();
    for object in objects.as_array().unwrap() {
        let keys = found(spec, object["secretPath"].as_str().unwrap(), object["secretKey"].as_str().unwrap());
        assert_eq!(keys.len(), 1, "{object}");
        assert!(content.insert(keys[0].clone()), "two secrets in one key: {object}");
    }
}

#[test]
fn without_a_service_account_nothing_is_mountable_and_the_flag_is_named() {
    let nobodys = import(Tool::Csi, vec![class("shop", "db", &json!([password("kv/data/db")]))], &wanted(&[]));
    assert_eq!((nobodys[0].verdict, specs(&nobodys).len()), (Verdict::NotMapped, 0));
    assert!(nobodys[0].why.as_ref().unwrap().contains("--service-account"), "{nobodys:?}");
}

#[test]
fn service_accounts_come_from_what_mounts_the_class_unless_they_are_named() {
    let driver = "secrets-store.csi.k8s.io";
    let of_template = "/spec/template/spec";
    for (kind, place) in [
        ("Pod", "/spec"),
        ("Deployment", of_template),
        ("StatefulSet", of_template),
        ("DaemonSet", of_template),
        ("ReplicaSet", of_template),
        ("Job", of_template),
        ("CronJob", "/spec/jobTemplate/spec/template/spec"),
    ] {
        let mounted = |driver, account, named: &[&str]| {
            let db = class("shop", "db", &json!([password("kv/data/db")]));
            import(Tool::Csi, vec![workload(kind, place, driver, account), db], &wanted(named))
        };
        let outcomes = mounted(driver, Some("checkout"), &[]);
        assert_eq!((outcomes[0].verdict, accounts(&outcomes)), (Verdict::Read, vec!["checkout".to_owned()]), "{kind}");
        assert_eq!(accounts(&mounted(driver, None, &[])), ["default"], "{kind}");
        assert_eq!(accounts(&mounted(driver, Some("checkout"), &["cart"])), ["cart"], "{kind}");
        let other = mounted("other.csi.k8s.io", Some("checkout"), &[]);
        assert_eq!((other[1].verdict, specs(&other).len()), (Verdict::PassedOver, 0), "{kind}");
    }
}

#[test]
fn a_pod_of_another_namespace_gives_nobody_leave_and_is_passed_over() {
    let db = class("other", "db", &json!([password("kv/data/db")]));
    let pod = workload("Pod", "/spec", "secrets-store.csi.k8s.io", Some("checkout"));
    let outcomes = import(Tool::Csi, vec![db, pod], &wanted(&[]));
    assert_eq!(outcomes.iter().map(|o| o.verdict).collect::<Vec<_>>(), [Verdict::NotMapped, Verdict::PassedOver]);
}

#[test]
fn to_observe_leaves_volumes_out_and_says_so() {
    let mut synced = class(
        "shop",
        "db",
        &json!([password("kv/data/db"), {"objectName": "file", "secretPath": "kv/data/db", "secretKey": "k"}]),
    );
    synced.0["spec"]["secretObjects"] = json!([{"secretName": "db", "data": [{"objectName": "password", "key": "p"}]}]);
    let outcomes = import(Tool::Csi, vec![synced], &Wanted { observe: true, ..wanted(&["checkout"]) });
    let [spec] = specs(&outcomes)[..] else { panic!("{outcomes:?}") };
    assert!(spec.target.secret.is_some() && spec.mode.as_deref() == Some("Observe"), "{spec:?}");
    let left = &outcomes[0].lines.left_out;
    assert_eq!(left.iter().map(|line| line.field.as_str()).collect::<Vec<_>>(), ["spec.parameters.objects[1]"]);
    assert!(left[0].why.contains("without --observe"), "{left:?}");
}

#[test]
fn a_class_that_is_there_for_its_secrets_is_mapped_without_its_volume() {
    let synced = |named: &[&str]| {
        let mut class = class("shop", "db", &json!([password("kv/data/db")]));
        class.0["spec"]["secretObjects"] = json!([{"secretName": "db", "data": [{"objectName": "password", "key": "p"}]}]);
        import(Tool::Csi, vec![class], &wanted(named))
    };
    let outcomes = synced(&[]);
    assert_eq!((outcomes[0].verdict, outcomes[0].bindings.join(",")), (Verdict::Mapped, "db".to_owned()));
    assert_eq!(outcomes[0].next(), None, "it may go");
    let outcomes = synced(&["checkout"]);
    assert_eq!((outcomes[0].verdict, outcomes[0].bindings.join(",")), (Verdict::Mapped, "db,db-volume".to_owned()));
    assert!(outcomes[0].next().unwrap().contains("without the secretObjects"), "{outcomes:?}");
}

#[test]
fn a_secret_that_a_class_reads_as_a_whole_is_delivered_whole_and_alone_in_its_namespace() {
    let whole = json!([{"objectName": "all", "secretPath": "kv/data/db"}, password("kv/data/mail")]);
    let objects = [
        class("shop", "all", &whole),
        class("shop", "one", &json!([password("kv/data/db")])),
        class("far", "one", &json!([password("kv/data/db")])),
    ];
    let outcomes = import(Tool::Csi, objects.to_vec(), &wanted(&["checkout"]));
    let names: Vec<_> = outcomes.iter().map(|outcome| outcome.bindings.join(",")).collect();
    assert_eq!(names, ["all-volume,all-db", "all-db", "one"]);
    let keys: Vec<_> = specs(&outcomes).into_iter().map(|spec| (spec.items.len(), spec.items[0].keys.len())).collect();
    assert_eq!(keys, [(1, 1), (1, 0), (1, 0), (1, 1)]);
    let left: Vec<_> = outcomes[0].lines.left_out.iter().map(|line| line.field.as_str()).collect();
    assert_eq!(left, ["spec.parameters.objects[0].secretKey"], "its JSON is another");
}

#[test]
fn the_same_volume_in_several_namespaces_or_under_several_names_is_one_binding() {
    let objects = json!([password("kv/data/db")]);
    let classes = [("a", "db"), ("b", "db"), ("b", "again")].map(|(namespace, name)| class(namespace, name, &objects));
    let outcomes = import(Tool::Csi, classes.to_vec(), &wanted(&["checkout"]));
    assert!(outcomes.iter().all(|outcome| outcome.bindings == ["db"] && outcome.next().is_some()), "{outcomes:?}");
    let manifests = report::manifests(&outcomes).unwrap();
    assert_eq!(manifests.matches("kind: Binding").count(), 1, "{manifests}");
    assert!(manifests.contains("namespaces:\n      - a\n      - b\n      serviceAccounts:\n"), "{manifests}");
    assert!(manifests.contains("# Next: the class stays, "), "{manifests}");
}

#[test]
fn what_a_mount_cannot_do_is_left_out_with_the_reason_and_has_to_leave_the_class() {
    for (object, why) in [
        (json!({"secretPath": "pki/issue/web", "secretKey": "c", "method": "PUT"}), "Rotation with `pki`"),
        (json!({"secretPath": "pki/issue/web", "secretKey": "c", "secretArgs": {"common_name": "a"}}), "Rotation with `pki`"),
        (json!({"secretPath": "pki/issue/web", "secretKey": "c"}), "Rotation with `pki`"),
        (json!({"secretPath": "kv/data/a?version=2", "secretKey": "c"}), "`version`"),
        (json!({"secretPath": "kv/data/a", "secretKey": "c", "encoding": "base32"}), "utf-8, base64, hex"),
        (json!({"secretPath": "kv/data/a", "secretKey": 1}), "in quotes"),
        (json!({"secretPath": "database/creds/a", "secretKey": "ttl"}), "username and password"),
        (json!({"secretKey": "c"}), "no secretPath"),
    ] {
        let objects = json!([password("kv/data/db"), object]);
        let outcomes = import(Tool::Csi, vec![class("shop", "db", &objects)], &wanted(&["checkout"]));
        let left = &outcomes[0].lines.left_out;
        let is_named = left.iter().any(|line| line.field == "spec.parameters.objects[1]" && line.why.contains(why));
        assert!(outcomes[0].verdict == Verdict::InPart && is_named, "{object}: {left:?}");
        assert!(outcomes[0].next().unwrap().ends_with("with them it is not mounted"), "{object}");
        let alone = import(Tool::Csi, vec![class("shop", "db", &json!([object]))], &wanted(&["checkout"]));
        assert!(alone[0].verdict == Verdict::NotMapped && alone[0].why.as_ref().unwrap().contains(why), "{object}: {alone:?}");
    }
}

#[test]
fn credentials_of_a_role_become_those_of_the_static_role_and_a_note() {
    let objects = json!([password("database/creds/app")]);
    let outcomes = import(Tool::Csi, vec![class("shop", "db", &objects)], &wanted(&["*"]));
    let [spec] = specs(&outcomes)[..] else { panic!("{outcomes:?}") };
    assert_eq!(spec.items[0].static_role.as_deref(), Some("app"));
    assert_eq!(found(spec, "database/creds/app", "password"), ["password"]);
    let left = &outcomes[0].lines.left_out;
    assert!(left.len() == 1 && left[0].why.starts_with("leases are not handed out"), "{left:?}");
}
