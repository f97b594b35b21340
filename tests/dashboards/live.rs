//! A real Prometheus scrapes real servers and agents; what the boards and alerts ask is asked of it, and of the registry as Grafana's role.

pub(crate) mod run;

use anyhow::{Context as _, Result, ensure};
use lockstep_testbed::wait;

use crate::board::{Query, boards};
use crate::exceptions::{SILENT, SILENT_ALERTS};
use crate::interpolation::{in_expression, in_sql, values};
use crate::{rules, truth};
use run::{LIMIT, Run};

#[tokio::test]
async fn every_expression_and_every_query_answers_on_a_real_run_and_a_cluster_that_is_cut_off_shows() -> Result<()> {
    let mut run = Run::start().await?;
    let expressions = ask_every_expression(&mut run).await?;
    let alerts = ask_every_alert(&run).await?;
    run.write_and_await().await?;
    let queries = run_every_query(&mut run).await?;
    println!("{expressions} expressions of boards and {alerts} of rules evaluated, {queries} queries run");
    truth::everything(&mut run).await?;
    truth::cut_off(&mut run).await
}

/// Those of the boards; all have data. Each look comes with a new version, so that there is something to count.
async fn ask_every_expression(run: &mut Run) -> Result<usize> {
    let (mut awaited, mut count) = (Vec::new(), 0);
    for board in boards()? {
        let values = values(&board, &mut run.registry).await?;
        for panel in &board.panels {
            for query in &panel.queries {
                let Query::Metrics(expression) = query else { continue };
                let expression = in_expression(expression, &values);
                let silent = SILENT.iter().any(|(uid, part, _)| *uid == board.uid && expression.contains(part));
                let data = run.data(&expression).await.with_context(|| format!("{}, {}", board.uid, panel.title))?;
                if !data && !silent {
                    awaited.push((format!("{}, {}", board.uid, panel.title), expression));
                }
                count += 1;
            }
        }
    }
    wait::until("every expression to have data", LIMIT, async || {
        run.write().await?;
        let mut left = Vec::new();
        for (panel, expression) in &awaited {
            if !run.data(expression).await? {
                left.push((panel.clone(), expression.clone()));
            }
        }
        awaited = left;
        ensure!(awaited.is_empty(), "without data: {awaited:#?}");
        anyhow::Ok(())
    })
    .await?;
    for (board, part, why) in SILENT {
        println!("without data may be: {board}, {part}: {why}");
    }
    Ok(count)
}

/// Those of the rules: as they are, and without their comparison, where they have data.
async fn ask_every_alert(run: &Run) -> Result<usize> {
    let rules = rules::rules()?;
    for rule in &rules {
        run.prometheus.query(&rule.expression).await.with_context(|| rule.name.clone())?;
        let compared = match SILENT_ALERTS.iter().find(|(name, ..)| *name == rule.name) {
            Some((_, None, _)) => continue,
            Some((_, Some(instead), _)) => (*instead).to_owned(),
            None if rule.is_alert => answers_always(&rule.expression),
            None => rule.expression.clone(),
        };
        wait::until(&format!("{} to have data", rule.name), LIMIT, async || {
            ensure!(run.data(&compared).await?, "{compared}");
            anyhow::Ok(())
        })
        .await?;
    }
    for (alert, instead, why) in SILENT_ALERTS {
        println!("without data may be: {alert}: {why}; asked instead: {}", instead.unwrap_or("nothing"));
    }
    Ok(rules.len())
}

/// With `bool` a comparison says 0 or 1, and takes nothing away.
fn answers_always(expression: &str) -> String {
    [" > ", " < ", " == ", " >= "].iter().fold(expression.to_owned(), |text, op| text.replace(op, &format!("{op}bool ")))
}

/// Those of the boards; each has a row.
async fn run_every_query(run: &mut Run) -> Result<usize> {
    let mut count = 0;
    for board in boards()? {
        let values = values(&board, &mut run.registry).await?;
        for panel in &board.panels {
            for query in &panel.queries {
                let Query::Registry(sql) = query else { continue };
                let rows = run.rows(&in_sql(sql, &values)?).await.with_context(|| format!("{}, {}", board.uid, panel.title))?;
                ensure!(!rows.is_empty(), "{}, {}: no row", board.uid, panel.title);
                count += 1;
            }
        }
    }
    Ok(count)
}
