//! What became of one object.

use serde::Serialize;

use super::account::{Account, Line, Lines};
use super::made::Made;
use super::object::Object;

/// What became of an object as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    /// The bindings deliver what it did.
    Mapped,
    /// They deliver it but for what is left out.
    InPart,
    /// There is no binding for it.
    NotMapped,
    /// It only says where secrets are: a store, a connection.
    Read,
    /// It is not this tool's.
    PassedOver,
}

impl Verdict {
    /// For people.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::InPart => "mapped in part",
            Self::NotMapped => "not mapped",
            Self::Read => "read",
            Self::PassedOver => "passed over",
        }
    }
}

/// In one line: what was read from a manifest must neither move a terminal's cursor nor end a comment.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What became of one object.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// As in `file.yaml:12`.
    pub(crate) place: String,
    pub(crate) verdict: Verdict,
    /// Why there is no binding, or what the object is for.
    pub(crate) why: Option<String>,
    pub(crate) lines: Lines,
    /// The bindings that are made from it alone or together with others; see [`super::made::finish`].
    pub(super) made: Vec<Made>,
    /// Their names.
    pub(crate) bindings: Vec<String>,
}

impl Outcome {
    fn new(object: &Object, verdict: Verdict, why: Option<String>) -> Self {
        Self {
            kind: object.kind.clone(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            place: object.place.clone(),
            verdict,
            why,
            lines: Lines::default(),
            made: Vec::new(),
            bindings: Vec::new(),
        }
    }

    /// There is no binding.
    pub(super) fn not_mapped(object: &Object, why: impl Into<String>) -> Self {
        Self::new(object, Verdict::NotMapped, Some(why.into()))
    }

    /// It is not this tool's.
    pub(super) fn passed_over(object: &Object) -> Self {
        Self::new(object, Verdict::PassedOver, None)
    }

    /// It says where secrets are.
    pub(super) fn read(object: &Object, why: impl Into<String>, account: Account) -> Self {
        Self { lines: account.close(), ..Self::new(object, Verdict::Read, Some(why.into())) }
    }

    /// What a mapping came to.
    pub(super) fn of(object: &Object, account: Account, made: Result<Vec<Made>, String>) -> Self {
        match made {
            // One reason is enough: what would have become of its fields says nothing more.
            Err(why) => Self::not_mapped(object, why),
            Ok(made) => {
                let lines = account.close();
                let verdict = if lines.left_out.is_empty() { Verdict::Mapped } else { Verdict::InPart };
                Self { lines, made, ..Self::new(object, verdict, None) }
            }
        }
    }

    /// One of its bindings would be refused; `is_last`: there is none besides.
    pub(super) fn refuse(&mut self, target: String, why: String, is_last: bool) {
        if is_last {
            self.verdict = Verdict::NotMapped;
            self.why = Some(why);
        } else {
            self.verdict = Verdict::InPart;
            self.lines.left_out.push(Line { field: target, why });
        }
    }

    /// Whether something that the object did has no place in a binding: of a store too, where a field is not known.
    pub(crate) fn is_incomplete(&self) -> bool {
        matches!(self.verdict, Verdict::InPart | Verdict::NotMapped) || !self.lines.left_out.is_empty()
    }

    /// What is still to be done with the object itself, for its bindings to be of use.
    pub(crate) fn next(&self) -> Option<&str> {
        self.made.iter().find_map(Made::next)
    }

    /// As in `externalsecret/shop/db`; what is in no namespace has none.
    pub(crate) fn title(&self) -> String {
        let kind = self.kind.to_lowercase();
        let namespace = if kind.starts_with("cluster") { String::new() } else { format!("{}/", self.namespace) };
        printable(&format!("{kind}/{namespace}{}", self.name))
    }
}
