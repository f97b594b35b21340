//! What holds back a run that is due, and what does not ask.

use anyhow::{Result, ensure};

use super::{OFTEN, Timed, at, later, seconds};

#[tokio::test]
async fn a_window_a_freeze_and_a_pause_hold_back_what_is_due_but_not_who_runs_it_now() -> Result<()> {
    let timed = Timed::start().await?;

    // Shut until next year, and another one that opens soon. Of a project's windows one has to be open.
    let opens = later(timed.now().await?, 12);
    let next_year = opens - seconds(24 * 60 * 60);
    timed.window("next-year", &format!("allow: {{schedule: \"{}\", duration: 1h}}", at(next_year))).await?;
    timed.rotate("token", OFTEN, &[]).await?;
    println!("{}", timed.waits_for("token", "maintenance window next-year, until ").await?);
    timed.window("soon", &format!("allow: {{schedule: \"{}\", duration: 1h}}", at(opens))).await?;
    let run = timed.run_now("token").await?;
    ensure!(run.started < opens, "running it now does not wait for a window: {run:?}");
    let run = timed.done("token", "when the window opens", |run| run.scheduled).await?;
    ensure!(run.started >= opens && run.started < opens + seconds(5), "it opened at {opens}: {run:?}");
    let runs = timed.runs("token").await?;
    ensure!(runs.iter().filter(|run| run.scheduled && run.due < opens).count() <= 1, "missed ones are run once: {runs:?}");

    let now = timed.now().await?;
    let ends = later(now, 10);
    timed.window("freeze", &format!("freeze: {{from: \"{}\", until: \"{}\"}}", now.to_rfc3339(), ends.to_rfc3339())).await?;
    println!("{}", timed.waits_for("token", "maintenance window freeze, until ").await?);
    let frozen = timed.now().await?;
    let run = timed.run_now("token").await?;
    ensure!(run.started < ends, "nor for the end of a freeze: {run:?}");
    let run = timed.done("token", "when the freeze ends", |run| run.scheduled && run.started > frozen).await?;
    ensure!(run.started >= ends && run.started < ends + seconds(5), "it ended at {ends}: {run:?}");

    timed.fleet.cli(&["rotation", "pause", "token"]).await?;
    let paused = timed.now().await?;
    timed.passes(paused + seconds(5)).await?;
    let run = timed.run_now("token").await?;
    ensure!(run.started > paused, "nor for the end of a pause: {run:?}");
    let before = timed.now().await?;
    timed.fleet.cli(&["rotation", "resume", "token"]).await?;
    let run = timed.done("token", "when it goes on", |run| run.scheduled && run.started > paused).await?;
    ensure!(run.due >= later(before, 0), "what was due until {before} is not made up for: {run:?}");
    Ok(())
}
