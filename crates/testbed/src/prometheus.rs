//! Prometheus, which scrapes what a test names, and promtool, which tests rules.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{Client, Url};
use serde_json::{Value, json};

use crate::fetch::{self, GoTool};
use crate::process::Spec;
use crate::{Folder, Process, executable, http, port, wait};

const START_LIMIT: Duration = Duration::from_mins(1);

pub(crate) const PROMETHEUS: GoTool = GoTool {
    name: "prometheus",
    folder: "prometheus-3.16.0",
    package: "github.com/prometheus/prometheus/cmd/prometheus",
    definitions: &["github.com/prometheus/common/version.Version=3.16.0"],
    module: (include_str!("../tools/prometheus/go.mod"), include_str!("../tools/prometheus/go.sum")),
    files: &[],
    takes: "4 minutes",
};
pub(crate) const PROMTOOL: GoTool =
    GoTool { name: "promtool", package: "github.com/prometheus/prometheus/cmd/promtool", ..PROMETHEUS };

/// On PATH, in the cache, or built. One that is on PATH must have run.
pub(crate) fn program(tool: &GoTool) -> Result<PathBuf> {
    match executable::on_path(tool.name).filter(|file| executable::version(file, "--version").is_some()) {
        Some(file) => Ok(file),
        None => fetch::go_tool(tool),
    }
}

/// Where promtool is.
pub fn promtool() -> Result<PathBuf> {
    program(&PROMTOOL)
}

/// What is scraped.
#[derive(Debug, Clone)]
pub struct Target {
    /// The job that it belongs to.
    pub job: &'static str,
    /// Where it serves `/metrics`.
    pub address: SocketAddr,
    /// What its series get beside `job` and `instance`.
    pub labels: Vec<(&'static str, String)>,
}

/// A Prometheus that scrapes every second; ends when this is dropped.
#[derive(Debug)]
pub struct Prometheus {
    /// Before `_folder`, as fields are dropped in order.
    process: Process,
    url: Url,
    client: Client,
    targets: usize,
    _folder: Folder,
}

impl Prometheus {
    /// Starts it with these rules, and waits until it has scraped every target.
    pub async fn start(targets: &[Target], rules: &[&Path]) -> Result<Self> {
        let program = tokio::task::spawn_blocking(|| program(&PROMETHEUS)).await??;
        let folder = Folder::new("prometheus")?;
        let config = folder.path().join("prometheus.yml");
        // JSON is YAML.
        std::fs::write(&config, configuration(targets, rules).to_string())?;
        let address = format!("127.0.0.1:{}", port::free()?);
        let spec = Spec::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .orphaned_folder(folder.path());
        let process = Process::spawn("prometheus", spec, folder.path())?;
        let url = Url::parse(&format!("http://{address}/"))?;
        let server = Self { process, url, client: http::client().build()?, targets: targets.len(), _folder: folder };
        server.process.until("be ready", START_LIMIT, async || server.get("-/ready", &[]).await).await?;
        server.await_scraped().await?;
        Ok(server)
    }

    async fn await_scraped(&self) -> Result<()> {
        wait::until("every target to be scraped", START_LIMIT, async || {
            let up = self.query("count(up == 1)").await?;
            let count = up.first().and_then(|sample| sample["value"][1].as_str());
            ensure!(count == Some(&self.targets.to_string()), "{count:?} of {}", self.targets);
            anyhow::Ok(())
        })
        .await
    }

    /// The samples of an expression now: each with `metric`, its labels, and `value`, a time and a number as text.
    pub async fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let data =
            self.get("api/v1/query", &[("query", expression)]).await.with_context(|| format!("evaluating {expression}"))?;
        match data["resultType"].as_str() {
            Some("vector") => Ok(data["result"].as_array().cloned().unwrap_or_default()),
            Some("scalar") => Ok(vec![json!({ "metric": {}, "value": data["result"] })]),
            other => bail!("{expression} is {other:?}, no instant vector"),
        }
    }

    /// The alerts that are pending or firing.
    pub async fn alerts(&self) -> Result<Vec<Value>> {
        Ok(self.get("api/v1/alerts", &[]).await?["alerts"].as_array().cloned().unwrap_or_default())
    }

    async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let mut url = self.url.join(path)?;
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let answer = self.client.get(url).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{status}: {text}");
        // What is no API answers in words.
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        Ok(body["data"].clone())
    }
}

fn configuration(targets: &[Target], rules: &[&Path]) -> Value {
    let scrape = |target: &Target| {
        let labels: serde_json::Map<String, Value> =
            target.labels.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        json!({ "targets": [target.address.to_string()], "labels": labels })
    };
    let mut jobs: Vec<&str> = targets.iter().map(|target| target.job).collect();
    jobs.sort_unstable();
    jobs.dedup();
    let of = |job: &str| targets.iter().filter(|target| target.job == job).map(scrape).collect::<Vec<_>>();
    json!({
        "global": { "scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s" },
        "rule_files": rules,
        "scrape_configs": jobs.iter().map(|job| json!({ "job_name": job, "static_configs": of(job) })).collect::<Vec<_>>(),
    })
}
