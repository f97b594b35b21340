//! The database engine on a real Postgres.

use lockstep_core::database::{Place, PlaceError, SslMode};
use lockstep_core::kv::KvMount;
use lockstep_testbed::{Database, OpenBao, Postgres};
use lockstep_vault::{Connection, VaultError};
use reqwest::Url;
use serde_json::json;

use crate::fixture::{Client, client, path};

/// A database engine on a Postgres, with a static role `app` whose user is named as the mount.
async fn engine(mount: &str) -> (&'static OpenBao, Database, KvMount, Client) {
    let bao = OpenBao::shared().await.unwrap();
    let database = Postgres::shared().await.unwrap().create_database().await.unwrap();
    let url = Url::parse(database.url()).unwrap();
    bao.enable_engine(mount, "database").await.unwrap();
    let at = format!("{}:{}/{}", url.host_str().unwrap(), url.port().unwrap(), database.name());
    let connection = json!({
        "plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "username": url.username(), "password": url.password(),
        "connection_url": format!("postgresql://{{{{username}}}}:{{{{password}}}}@{at}?sslmode=disable"),
    });
    bao.request("POST", &format!("{mount}/config/shop"), Some(connection)).await.unwrap();
    (bao, database, mount.parse().unwrap(), client(bao, bao.root_token()))
}

#[tokio::test]
async fn a_connection_tells_where_to_log_in_and_no_password() {
    let (bao, database, mount, client) = engine("db-where").await;
    let url = Url::parse(database.url()).unwrap();
    let connection = client.vault.database_connection(&mount, &path("shop")).await.unwrap();
    let expected = Place {
        hosts: vec![(url.host_str().unwrap().to_owned(), url.port().unwrap())],
        database: database.name().to_owned(),
        ssl_mode: SslMode::Disable,
        ca_pem: None,
    };
    assert_eq!(connection, Connection { plugin: "postgresql-database-plugin".to_owned(), place: Some(Ok(expected)) });
    // Others than Postgres, and what nobody outside of the Vault's machine can reach.
    let with = |plugin: &str, url: &str| json!({ "plugin_name": plugin, "connection_url": url, "username": "u", "password": "p", "verify_connection": false });
    let mysql = with("mysql-database-plugin", "{{username}}:{{password}}@tcp(db:3306)/");
    bao.request("POST", "db-where/config/mysql", Some(mysql)).await.unwrap();
    assert_eq!(client.vault.database_connection(&mount, &path("mysql")).await.unwrap().place, None);
    let socket = with("postgresql-database-plugin", "host=/run/postgresql user={{username}} password={{password}}");
    bao.request("POST", "db-where/config/socket", Some(socket)).await.unwrap();
    let place = client.vault.database_connection(&mount, &path("socket")).await.unwrap().place;
    assert_eq!(place, Some(Err(PlaceError::Socket)));
    let unknown = client.vault.database_connection(&mount, &path("never")).await;
    assert!(matches!(unknown, Err(VaultError::NotFound { .. })), "{unknown:?}");
}

#[tokio::test]
async fn a_static_role_gets_another_password_and_an_unknown_one_is_refused_with_what_to_do() {
    let (bao, database, mount, client) = engine("db-rotate").await;
    let postgres = Postgres::shared().await.unwrap();
    let user = format!("user_{}", database.name());
    postgres.create_user(&user).await.unwrap();
    let role = json!({ "db_name": "shop", "username": user, "rotation_period": "24h" });
    bao.request("POST", "db-rotate/static-roles/app", Some(role)).await.unwrap();
    let password = async || bao.request("GET", "db-rotate/static-creds/app", None).await.unwrap()["data"]["password"].clone();
    let before = password().await;
    client.vault.rotate_static_role(&mount, &path("app")).await.unwrap();
    assert_ne!(password().await, before);
    let unknown = client.vault.rotate_static_role(&mount, &path("nobody")).await.unwrap_err();
    assert!(unknown.to_string().contains("there is no such static role"), "{unknown}");
    postgres.drop_database(database).await.unwrap();
}
