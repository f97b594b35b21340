//! What is gathered to be searched.

use std::path::Path;

use anyhow::{Context as _, Result};
use lockstep_testbed::Fleet;
use sqlx::{Connection as _, PgConnection};

use crate::search::Place;

/// All files below `folder` for whose path `wanted` says so.
pub(crate) fn files(folder: &Path, wanted: &impl Fn(&Path) -> bool) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            places.extend(files(&path, wanted)?);
        } else if wanted(&path) {
            let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            places.push(Place { name: path.display().to_string(), text: String::from_utf8_lossy(&bytes).into_owned() });
        }
    }
    Ok(places)
}

/// The logs of servers, agents and the bootstrap.
pub(crate) fn logs(fleet: &Fleet) -> Result<Vec<Place>> {
    files(fleet.folder(), &|path| path.extension().is_some_and(|extension| extension == "log"))
}

/// What the agents keep about themselves; not their targets, where material belongs.
pub(crate) fn states(fleet: &Fleet) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for agent in &fleet.agents {
        places.extend(files(&agent.state(), &|_| true)?);
    }
    Ok(places)
}

/// Every table of the database, each row as JSON. Binary columns are hex in it.
pub(crate) async fn tables(url: &str) -> Result<Vec<Place>> {
    let mut connection = PgConnection::connect(url).await?;
    let names: Vec<String> = sqlx::query_scalar(
        "select quote_ident(table_name) from information_schema.tables where table_schema = 'public' order by 1",
    )
    .fetch_all(&mut connection)
    .await?;
    let mut places = Vec::new();
    for name in names {
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select row_to_json(t)::text from {name} t")))
            .fetch_all(&mut connection)
            .await?;
        places.push(Place { name: format!("table {name}"), text: rows.join("\n") });
    }
    Ok(places)
}

/// All replicas' metrics.
pub(crate) async fn metrics(fleet: &Fleet) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for replica in &fleet.replicas {
        places.push(Place { name: format!("metrics of {}", replica.name()), text: replica.metrics().await? });
    }
    Ok(places)
}

/// What the command prints for these arguments, whether it succeeds or not.
pub(crate) async fn printed(fleet: &Fleet, arguments: &[&str]) -> Result<Place> {
    let output = fleet.cli_any(arguments).await?;
    Ok(Place { name: format!("lockstep {}", arguments.join(" ")), text: format!("{}\n{}", output.stdout, output.stderr) })
}

/// What REST answers to a request with this body and token, with its headers.
pub(crate) async fn answer(fleet: &Fleet, token: &str, method: reqwest::Method, path: &str, body: &str) -> Result<Place> {
    let root = reqwest::Certificate::from_pem(&std::fs::read(fleet.root_file())?)?;
    let client = reqwest::Client::builder().tls_certs_only([root]).no_proxy().build()?;
    let url = format!("{}{path}", fleet.replicas[0].rest_url());
    let request =
        client.request(method.clone(), url).bearer_auth(token).header("content-type", "application/json").body(body.to_owned());
    let answer = request.send().await?;
    let head = format!("{} {:?}", answer.status(), answer.headers());
    Ok(Place { name: format!("answer to {method} {path}"), text: format!("{head}\n{}", answer.text().await?) })
}
