//! The searcher.

use uuid::Uuid;

use crate::forms::forms;

/// Something that must not be found.
#[derive(Debug, Clone)]
pub(crate) struct Canary {
    /// What a finding calls it; says nothing of its value.
    pub(crate) name: String,
    /// The whole of it.
    pub(crate) bytes: Vec<u8>,
}

/// Where it was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) canary: String,
    pub(crate) form: &'static str,
    pub(crate) place: String,
    /// What is before it, to find the line.
    pub(crate) before: String,
}

/// A text to be searched, and its name.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Canary {
    /// Of a value that exists already, such as a token.
    pub(crate) fn of(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.to_owned(), bytes: bytes.into() }
    }

    /// A new value: a core that only base64, hex and lists of numbers change, and characters that every encoder changes.
    pub(crate) fn new(name: &str) -> Self {
        Self::of(name, format!("{}/é\"+%\\\n&=<>?\u{1f426} cAnary end", Uuid::new_v4().simple()))
    }

    /// As it was written.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// All of it, and its core's halves: they are left of a value that is quoted in part, or by an encoder that nobody thought of.
    fn needles(&self) -> Vec<(&'static str, String)> {
        let text = self.text();
        let core = text.split(|c: char| !c.is_ascii_alphanumeric()).max_by_key(|part| part.len()).unwrap_or_default();
        let mut needles = forms(&self.bytes);
        for half in core.as_bytes().chunks_exact(16) {
            needles.extend(forms(half));
        }
        needles.retain(|(_, needle)| needle.len() >= 8);
        needles
    }
}

/// All findings of these canaries in these places, one of each form in each place.
pub(crate) fn search(canaries: &[Canary], places: &[Place]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for canary in canaries {
        for (form, needle) in canary.needles() {
            for place in places {
                let Some(at) = place.text.find(&needle) else { continue };
                let before = place.text[..at].chars().rev().take(160).collect::<Vec<_>>().into_iter().rev().collect();
                let finding = Finding { canary: canary.name.clone(), form, place: place.name.clone(), before };
                if !findings.iter().any(|f: &Finding| (&f.canary, f.form, &f.place) == (&finding.canary, form, &finding.place)) {
                    findings.push(finding);
                }
            }
        }
    }
    findings
}
