//! A searcher that finds nothing proves nothing: each form is planted where a leak would be, and found.

use anyhow::{Context as _, Result};
use lockstep_testbed::{Folder, Postgres};
use sqlx::{Connection as _, PgConnection};

use crate::forms::forms;
use crate::gathered::{files, tables};
use crate::search::{Canary, search};

#[test]
fn every_form_in_a_log_is_found_and_nothing_else_is() -> Result<()> {
    let folder = Folder::new("canary")?;
    let canary = Canary::new("planted");
    let mut whole = forms(&canary.bytes);
    whole.push(("its beginning", canary.text()[..20].to_owned()));
    whole.push(("its end", canary.text()[16..].to_owned()));
    for (form, text) in &whole {
        let line = format!("{{\"level\":\"ERROR\",\"message\":\"it was x{text}x\"}}\n");
        std::fs::write(folder.path().join("server-a.log"), format!("{{\"message\":\"serving\"}}\n{line}"))?;
        let places = files(folder.path(), &|_| true)?;
        let findings = search(std::slice::from_ref(&canary), &places);
        assert!(!findings.is_empty(), "a leak as {form} was not found");
        assert_eq!(search(&[Canary::new("another")], &places), [], "{form}");
    }
    Ok(())
}

#[tokio::test]
async fn every_form_in_the_database_is_found() -> Result<()> {
    let database = Postgres::shared().await?.create_database().await?;
    let mut connection = PgConnection::connect(database.url()).await?;
    let canary = Canary::new("planted");
    sqlx::raw_sql("create table evidence (cause text, detail jsonb, binary_detail bytea)").execute(&mut connection).await?;
    let insert = "insert into evidence select $1, jsonb_build_object('cause', $2::text), $3";
    let raw = canary.text();
    let mut plants: Vec<(&str, String, String, Vec<u8>)> = vec![("binary", String::new(), String::new(), canary.bytes.clone())];
    for (form, text) in forms(&canary.bytes).into_iter().chain([("raw", raw)]) {
        plants.push((form, text.clone(), String::new(), Vec::new()));
        plants.push((form, String::new(), text, Vec::new()));
    }
    for (form, cause, detail, binary) in plants {
        sqlx::query("delete from evidence").execute(&mut connection).await?;
        sqlx::query(insert).bind(&cause).bind(&detail).bind(&binary).execute(&mut connection).await.context(form)?;
        let findings = search(std::slice::from_ref(&canary), &tables(database.url()).await?);
        assert!(findings.iter().any(|f| f.place == "table evidence"), "a leak as {form} was not found");
    }
    Ok(())
}
