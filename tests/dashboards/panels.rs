//! Every panel can be read without knowing how it was made.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::board::{Board, boards, list};

fn none(found: &[String], rule: &str) -> Result<()> {
    ensure!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
    Ok(())
}

#[test]
fn every_panel_has_a_title_of_its_own_a_description_a_unit_and_a_query() -> Result<()> {
    let (mut found, mut panels) = (Vec::new(), 0);
    for board in boards()? {
        let mut titles = BTreeSet::new();
        for panel in &board.panels {
            let at = format!("{}, {}", board.uid, panel.title);
            let is_said = |value: &serde_json::Value| value.as_str().is_some_and(|text| !text.is_empty());
            if !panel.json["description"].as_str().is_some_and(|text| text.len() > 20 && text.ends_with('.')) {
                found.push(format!("{at}: no description in whole sentences"));
            }
            if !is_said(&panel.json["fieldConfig"]["defaults"]["unit"]) {
                found.push(format!("{at}: no unit"));
            }
            if panel.queries.is_empty() {
                found.push(format!("{at}: asks nothing"));
            }
            if !titles.insert(panel.title.clone()) {
                found.push(format!("{at}: two of that name"));
            }
            panels += 1;
        }
    }
    println!("{panels} panels have a description and a unit");
    none(&found, "panels that say too little")
}

#[test]
fn every_board_leads_to_every_other_and_every_link_to_one_that_is_there() -> Result<()> {
    let boards = boards()?;
    let uids: BTreeSet<&str> = boards.iter().map(|board| board.uid.as_str()).collect();
    let mut found = Vec::new();
    for board in &boards {
        let linked: BTreeSet<&str> =
            list(&board.json["links"]).iter().filter_map(|link| link["url"].as_str()?.strip_prefix("/d/")).collect();
        let others = uids.iter().copied().filter(|uid| *uid != board.uid).collect::<BTreeSet<_>>();
        if linked != others {
            found.push(format!("{} leads to {linked:?}, and not to {others:?}", board.uid));
        }
        found.extend(wrong_links(board, &boards));
    }
    none(&found, "links that lead nowhere")
}

/// Links of columns: to a board that is there, with a variable that it has.
fn wrong_links(board: &Board, boards: &[Board]) -> Vec<String> {
    let text = board.json["panels"].to_string();
    let urls = text.split("\"url\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    let is_wrong = |url: &&str| {
        let (uid, query) = url.trim_start_matches("/d/").split_once('?').unwrap_or((url, ""));
        let named = query.split('&').filter_map(|part| part.strip_prefix("var-")?.split('=').next()).collect::<Vec<_>>();
        !boards.iter().any(|b| b.uid == uid && named.iter().all(|name| b.variables.iter().any(|v| v.name == *name)))
    };
    urls.filter(is_wrong).map(|url| format!("{}: {url}", board.uid)).collect()
}
