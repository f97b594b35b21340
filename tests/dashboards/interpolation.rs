//! What Grafana puts in the place of variables.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::board::Board;

/// What each of a board's variables stands for at first: all its values, or the first one.
pub(crate) async fn values(board: &Board, registry: &mut PgConnection) -> Result<BTreeMap<String, Vec<String>>> {
    let mut values = BTreeMap::new();
    for variable in &board.variables {
        let sql = in_sql(&variable.sql, &values)?;
        let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&mut *registry)
            .await
            .with_context(|| format!("the values of {} in {}", variable.name, board.uid))?;
        let count = if variable.several { found.len() } else { 1 };
        values.insert(variable.name.clone(), found.into_iter().take(count).collect());
    }
    Ok(values)
}

/// `${name:sqlstring}`: a list of texts in quotes. Grafana quotes nothing where there is no value.
pub(crate) fn in_sql(sql: &str, values: &BTreeMap<String, Vec<String>>) -> Result<String> {
    let mut text = String::new();
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once(":sqlstring}").with_context(|| format!("another format than sqlstring: {sql}"))?;
        let chosen = values.get(name).with_context(|| format!("no variable {name}: {sql}"))?;
        let quoted: Vec<String> = chosen.iter().map(|value| format!("'{}'", value.replace('\'', "''"))).collect();
        text.push_str(before);
        text.push_str(if quoted.is_empty() { "''".to_owned() } else { quoted.join(",") }.as_str());
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

/// `$name`: alternatives of a regular expression; and Grafana's own interval, for a Prometheus that scrapes every second.
pub(crate) fn in_expression(expression: &str, values: &BTreeMap<String, Vec<String>>) -> String {
    let text = expression.replace("$__rate_interval", "1m");
    values.iter().fold(text, |text, (name, chosen)| text.replace(&format!("${name}"), &chosen.join("|")))
}

#[test]
fn variables_are_replaced_as_grafana_does() -> Result<()> {
    let values = BTreeMap::from([("cluster".to_owned(), vec!["eu".to_owned(), "o'us".to_owned()])]);
    assert_eq!(in_sql("c in (${cluster:sqlstring}) and d", &values)?, "c in ('eu','o''us') and d");
    assert_eq!(in_expression("rate(a{c=~\"$cluster\"}[$__rate_interval])", &values), "rate(a{c=~\"eu|o'us\"}[1m])");
    assert!(in_sql("${other:sqlstring}", &values).is_err());
    Ok(())
}
