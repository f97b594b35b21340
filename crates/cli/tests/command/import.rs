use serde_json::{Value, json};

use crate::run::{Done, Place};

mod moving;

const EXTERNAL_SECRET: &str = "\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: db, namespace: shop}
spec:
  refreshInterval: 1h
  secretStoreRef: {name: vault}
  dataFrom: [{extract: {key: kv/data/shop/db}}]
";
const STORE: &str = "\
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: vault, namespace: shop}
spec: {provider: {vault: {server: https://vault.example.com:8200, path: kv, auth: {tokenSecretRef: {name: t, key: t}}}}}
---
apiVersion: v1
kind: Secret
metadata: {name: t, namespace: shop}
stringData: {t: not-to-be-repeated}
";
const MAPPED: &str = "externalsecret/shop/db   mapped        db\n";

fn report(done: &Done) -> Value {
    serde_json::from_str(&done.stderr).unwrap()
}

#[test]
fn bindings_are_data_and_what_became_of_each_object_is_for_people() {
    let place = Place::new();
    place.write("all.yaml", &format!("{EXTERNAL_SECRET}{STORE}"));
    let done = place.run("import eso -f all.yaml --project shop --source corp --clusters env=prod --observe");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        done.stdout.starts_with("# From externalsecret/shop/db (all.yaml:2)\napiVersion: lockstep.dev/v1\nkind: Binding\n"),
        "{done:?}"
    );
    assert!(done.stdout.contains("mode: Observe") && done.stdout.contains("env: prod"), "{done:?}");
    for want in [
        MAPPED,
        "secretstore/shop/vault   read          -\n",
        "secret/shop/t            passed over   -\n",
        "1 mapped, 0 mapped in part, 0 not mapped",
    ] {
        assert!(done.stderr.contains(want), "{want} in\n{}", done.stderr);
    }
    assert!(!format!("{done:?}").contains("not-to-be-repeated"), "{done:?}");
}

#[test]
fn what_is_made_is_what_apply_takes() {
    let place = Place::new();
    place.write("all.yaml", &format!("{EXTERNAL_SECRET}{STORE}"));
    let done = place.run("import eso -f all.yaml -o bindings.yaml");
    assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{done:?}");
    let applied = place.run("apply -f bindings.yaml --dry-run=client");
    assert_eq!((applied.code, applied.stdout.as_str()), (0, "binding/db checked (client dry run)\n"), "{applied:?}");
}

#[test]
fn what_is_left_out_is_named_and_told_by_the_exit_code() {
    let place = Place::new();
    let input = EXTERNAL_SECRET.replace("refreshInterval: 1h", "surprise: {deep: [1]}");
    let done = place.run_with_input("import eso -f - --report json", &input);
    assert_eq!(done.code, 2, "{done:?}");
    let item = &report(&done)["items"][0];
    assert_eq!((&item["result"], &item["bindings"]), (&json!("inPart"), &json!(["db"])));
    let fields: Vec<_> = item["leftOut"].as_array().unwrap().iter().map(|line| &line["field"]).collect();
    assert_eq!(fields, [&json!("spec.dataFrom[0].extract.key"), &json!("spec.surprise.deep[0]")]);
    assert!(done.stdout.contains("# Left out: spec.surprise.deep[0]: "), "{done:?}");
}

#[test]
fn what_a_store_has_that_is_not_known_is_told_by_the_exit_code_too() {
    let place = Place::new();
    place.write("all.yaml", &format!("{EXTERNAL_SECRET}{}", STORE.replace("{provider:", "{surprise: 1, provider:")));
    let done = place.run("import eso -f all.yaml --report json");
    assert_eq!(done.code, 2, "{done:?}");
    let store = report(&done)["items"].as_array().unwrap().iter().find(|item| item["result"] == "read").unwrap().clone();
    assert_eq!(store["leftOut"][0]["field"], json!("spec.surprise"));
}

#[test]
fn directories_are_searched_below_and_lists_unfolded() {
    let place = Place::new();
    std::fs::create_dir_all(place.folder.path().join("a/b")).unwrap();
    place.write("a/b/store.yml", STORE);
    let object = "{\"apiVersion\": \"external-secrets.io/v1\", \"kind\": \"ExternalSecret\", \"metadata\": {\"name\": \"db\", \"namespace\": \"shop\"}, \"spec\": {\"secretStoreRef\": {\"name\": \"vault\"}, \"dataFrom\": [{\"extract\": {\"key\": \"shop/db\"}}]}}";
    place.write("a/list.json", &format!("{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{object}]}}"));
    let done = place.run("import eso -f a");
    assert!(done.code == 0 && done.stderr.contains(MAPPED), "{done:?}");
}

const CLASS: &str = "\
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: db, namespace: shop}
spec: {provider: vault, parameters: {roleName: shop, objects: '[{objectName: p, secretPath: kv/data/shop/db, secretKey: password}]'}}
";

#[test]
fn a_class_is_mounted_by_the_pods_that_the_flag_names_and_says_what_is_next() {
    let place = Place::new();
    place.write("class.yaml", CLASS);
    let nobodys = place.run("import csi -f class.yaml");
    assert!(nobodys.code == 2 && nobodys.stderr.contains("--service-account"), "{nobodys:?}");
    let done = place.run("import csi -f class.yaml --service-account checkout --service-account cart");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains("next: the class stays, with `provider: lockstep`"), "{done:?}");
    place.write("bindings.yaml", &done.stdout);
    let applied = place.run("apply -f bindings.yaml --dry-run=client");
    assert_eq!((applied.code, applied.stdout.as_str()), (0, "binding/db checked (client dry run)\n"), "{applied:?}");
    place.run("import eso -f class.yaml --service-account a").failed_with(1, "--service-account is for volumes");
}

#[test]
fn what_cannot_be_begun_says_why() {
    let place = Place::new();
    place.write("other.yaml", "kind: Pod\napiVersion: v1\nmetadata: {name: a}\n");
    place.run("import vso -f other.yaml").failed_with(1, "there is nothing of Vault Secrets Operator");
    place.run("import csi -f absent.yaml").failed_with(1, "absent.yaml");
    place.write("broken.yaml", "a: [1\n");
    assert_eq!(place.run("import eso -f broken.yaml").code, 1);
    for (words, why) in [
        ("import flux -f x", "[possible values: eso, vso, csi]"),
        ("import eso", "--filename"),
        ("import eso -f x --store-map vault", "is not STORE=SOURCE"),
        ("import eso -f x --project Shop", "is not a valid name"),
        ("import csi -f x --service-account Shop", "--service-account"),
    ] {
        let done = place.run(words);
        assert!(done.code == 2 && done.stderr.contains(why), "{words}: {done:?}");
    }
}
