//! Parts of documents that are written by the code they tell of.

use anyhow::{Context as _, Result, ensure};

use crate::checkout;

/// The part of a document between `<!-- generated: NAME -->` and `<!-- end of NAME -->` must be this text. With `LOCKSTEP_BLESS` set, it is made so.
pub fn generated(document: &str, name: &str, text: &str) -> Result<()> {
    let path = checkout::find(document)?;
    let whole = std::fs::read_to_string(&path).with_context(|| format!("reading {document}"))?;
    let (begin, end) = (format!("<!-- generated: {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = whole.split_once(&begin).with_context(|| format!("{document} has no line {begin}"))?;
    let (there, after) = rest.split_once(&end).with_context(|| format!("{document} has no {end}"))?;
    if std::env::var_os("LOCKSTEP_BLESS").is_some() {
        return std::fs::write(&path, format!("{before}{begin}{text}{end}{after}"))
            .with_context(|| format!("writing {document}"));
    }
    let differs = there.lines().zip(text.lines()).find(|(there, said)| there != said);
    ensure!(
        there == text,
        "the part {name} of {document} is not what the code says{}: run this test with LOCKSTEP_BLESS=1 and look at the difference",
        differs.map_or(String::new(), |(there, said)| format!(" ({there} instead of {said})"))
    );
    Ok(())
}
