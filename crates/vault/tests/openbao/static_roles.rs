//! Static roles of a database engine, on a real Postgres.

use std::time::Duration;

use lockstep_testbed::{OpenBao, Postgres};
use lockstep_vault::VaultError;

use crate::fixture::{client, path};

const DAY: Duration = Duration::from_hours(24);

fn text(value: &lockstep_core::material::Material) -> &str {
    std::str::from_utf8(value.expose()).unwrap()
}

#[tokio::test]
async fn a_roles_credentials_log_in_and_have_the_time_that_the_role_tells() {
    let (bao, postgres) = (OpenBao::shared().await.unwrap(), Postgres::shared().await.unwrap());
    let database = postgres.create_database().await.unwrap();
    bao.enable_database("db-live", &database).await.unwrap();
    let user = bao.static_role("db-live", "app", &database, DAY).await.unwrap();
    let (mount, role) = ("db-live".parse().unwrap(), path("app"));
    let client = client(bao, bao.root_token());
    let vault = &client.vault;

    let shown = vault.static_role(&mount, &role).await.unwrap().unwrap();
    assert_eq!((shown.db_name.as_str(), shown.username.as_str()), ("app", user.as_str()));
    assert_eq!((shown.rotation_period, shown.rotation_schedule.as_deref()), (Some(DAY), None));
    let read = vault.static_creds(&mount, &role).await.unwrap();
    assert_eq!(Some(read.created), shown.last_rotation);
    assert_eq!(read.keys.keys().map(String::as_str).collect::<Vec<_>>(), ["password", "username"]);
    let (name, before) = (text(&read.keys["username"]), text(&read.keys["password"]));
    assert!(name == user && database.lets_in(name, before).await.unwrap());

    bao.rotate_static_role("db-live", "app").await.unwrap();
    let rotated = vault.static_role(&mount, &role).await.unwrap().unwrap();
    let after = vault.static_creds(&mount, &role).await.unwrap();
    assert!(Some(after.created) == rotated.last_rotation && after.created > read.created);
    assert!(database.lets_in(&user, text(&after.keys["password"])).await.unwrap());
    assert!(!database.lets_in(&user, before).await.unwrap(), "the password before is of no use");

    bao.delete_static_role("db-live", "app").await.unwrap();
    bao.write_static_role("db-live", "app", &user, DAY).await.unwrap();
    let anew = vault.static_role(&mount, &role).await.unwrap().unwrap();
    assert!(anew.last_rotation > rotated.last_rotation, "one made anew has a newer time");
}

#[tokio::test]
async fn a_role_that_is_not_there_is_told_from_an_engine_that_is_not() {
    let bao = OpenBao::shared().await.unwrap();
    bao.enable_engine("db-none", "database").await.unwrap();
    let client = client(bao, bao.root_token());
    let vault = &client.vault;
    let (mount, role) = ("db-none".parse().unwrap(), path("app"));
    assert_eq!(vault.static_role(&mount, &role).await, Ok(None));
    let read = vault.static_creds(&mount, &role).await;
    assert!(matches!(read, Err(VaultError::NotFound { .. })), "{read:?}");
    let elsewhere = "db-nowhere".parse().unwrap();
    for result in [vault.static_role(&elsewhere, &role).await.err(), vault.static_creds(&elsewhere, &role).await.err()] {
        assert!(matches!(result, Some(VaultError::NoMount { .. })), "{result:?}");
    }
    let weak = crate::fixture::client(bao, &bao.create_token(&["default"]).await.unwrap());
    let weak = &weak.vault;
    for result in [weak.static_role(&mount, &role).await.err(), weak.static_creds(&mount, &role).await.err()] {
        assert!(matches!(result, Some(VaultError::Forbidden { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn neither_a_result_nor_an_error_shows_a_password() {
    let (bao, postgres) = (OpenBao::shared().await.unwrap(), Postgres::shared().await.unwrap());
    let database = postgres.create_database().await.unwrap();
    bao.enable_database("db-quiet", &database).await.unwrap();
    bao.static_role("db-quiet", "app", &database, DAY).await.unwrap();
    let password = bao.static_creds("db-quiet", "app").await.unwrap()["password"].as_str().unwrap().to_owned();
    let client = client(bao, bao.root_token());
    let vault = &client.vault;
    let mount = "db-quiet".parse().unwrap();
    let small = crate::fixture::with(bao.root_token(), |settings| settings.body_max_bytes = 100, &[bao.addr()]);
    for (vault, want) in [(vault, "Material("), (&small.vault, "TooLarge")] {
        let creds = format!("{:?}", vault.static_creds(&mount, &path("app")).await);
        assert!(creds.contains(want), "{want} does not show");
        let shown = format!(
            "{creds} {:?} {:?}",
            vault.static_role(&mount, &path("app")).await,
            // The same body, taken for something else.
            vault.read_v1(&mount, &path("static-creds/app")).await,
        );
        assert!(!shown.contains(&password), "a password shows");
    }
}
