//! Documents that can be followed.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::repository::{File, files, none, root};

fn documents() -> Result<Vec<File>> {
    Ok(files()?.into_iter().filter(|file| file.is("md")).collect())
}

/// Where a document's links lead, with the lines they are on. What is in code is no link.
fn links(file: &File) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut in_block = false;
    for (number, line) in file.lines() {
        in_block ^= line.trim_start().starts_with("```");
        let text: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        if !in_block {
            let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
            links.extend(targets.map(|target| (number, target.to_owned())));
        }
    }
    links
}

/// A heading as GitHub names it in an address.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

#[test]
fn every_link_to_a_file_or_heading_of_the_repository_leads_there() -> Result<()> {
    let mut found = Vec::new();
    let documents = documents()?;
    let book = root()?.join("docs").canonicalize()?;
    for file in &documents {
        for (number, link) in links(file) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
            let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
            let target = if path.is_empty() { root()?.join(&file.path) } else { root()?.join(folder).join(path) };
            // The book is made of docs/ alone: it would look for a page of a document elsewhere.
            let is_elsewhere = |target: &Path| target.canonicalize().is_ok_and(|it| !it.starts_with(&book));
            let is_page = Path::new(path).extension().is_some_and(|extension| extension == "md");
            let is_outside = file.path.starts_with("docs/") && is_page && is_elsewhere(&target);
            let leads = !is_outside && target.exists() && (heading.is_empty() || has_heading(&target, heading)?);
            if !leads {
                found.push(format!("{}:{number}: {link}", file.path));
            }
        }
    }
    none(&found, "these links lead nowhere")
}

fn has_heading(document: &Path, heading: &str) -> Result<bool> {
    if document.extension().is_none_or(|extension| extension != "md") {
        // A line of code, such as `#L10`.
        return Ok(heading.starts_with('L'));
    }
    let text = std::fs::read_to_string(document)?;
    Ok(text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line.trim_start_matches('#')) == heading))
}

#[test]
fn every_record_of_a_decision_has_context_decision_and_consequence() -> Result<()> {
    let records: Vec<File> = documents()?.into_iter().filter(|file| file.path.starts_with("docs/adr/")).collect();
    ensure!(!records.is_empty(), "there is no record of a decision in docs/adr/");
    let mut found = Vec::new();
    for record in records.iter().filter(|record| record.name() != "README.md") {
        let number = record.name().split('-').next().unwrap_or_default();
        if number.len() != 4 || !number.bytes().all(|b| b.is_ascii_digit()) {
            found.push(format!("{}: name it NNNN-title.md", record.path));
        }
        for part in ["Context", "Decision", "Consequence"] {
            let has = |line: &str| line.trim_start_matches(['#', '*', ' ']).starts_with(part);
            if !record.text.lines().any(has) {
                found.push(format!("{}: has no {part}", record.path));
            }
        }
        if record.text.lines().count() > 60 {
            found.push(format!("{}: half a page is enough", record.path));
        }
    }
    none(&found, "a record of a decision is half a page: context, decision, consequence")
}

#[test]
fn the_readme_begins_with_the_two_commands_that_a_new_user_types() -> Result<()> {
    let documents = documents()?;
    let readme = documents.iter().find(|file| file.path == "README.md").context("there is no README.md: write one")?;
    let block = readme.text.split("```").nth(1).context("README.md has no block of commands")?;
    let mut commands = block.lines().skip(1).map(|line| line.split(" #").next().unwrap_or(line).trim());
    assert_eq!(commands.next(), Some("cargo xtask demo"), "README.md's first command");
    assert_eq!(commands.next(), Some("cargo xtask test"), "README.md's second command");
    Ok(())
}
