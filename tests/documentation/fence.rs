//! A block of code in a document, by what its first line says of it.
//!
//! ````text
//! ```sh run                        commands; each must succeed
//! ```text run                      what the commands before printed; `…` stands for anything, also for lines
//! ```yaml run: shop.yaml           a file for the commands after it
//! ```sh illustrate: needs a DNS    not tried here, and why
//! ```mermaid                       a drawing
//! ````

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// A block of code.
pub(crate) struct Fence {
    /// As an editor counts.
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

/// What it is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Commands of a shell.
    Commands,
    /// A file that these use, by its name.
    File(String),
    /// What the commands before it print.
    Printed,
    /// Not run, and says why.
    Illustrates,
    /// A drawing.
    Diagram,
    /// Nobody said.
    Unmarked(String),
}

impl Kind {
    fn of(info: &str) -> Self {
        let (language, mark) = info.split_once(' ').unwrap_or((info, ""));
        match (language, mark.split_once(": ").unwrap_or((mark, ""))) {
            ("mermaid", ("", "")) => Self::Diagram,
            ("sh", ("run", "")) => Self::Commands,
            ("text", ("run", "")) => Self::Printed,
            (_, ("run", name)) if !name.is_empty() => Self::File(name.to_owned()),
            (_, ("illustrate", why)) if !why.is_empty() => Self::Illustrates,
            _ => Self::Unmarked(info.to_owned()),
        }
    }
}

/// All of a document.
pub(crate) fn all(document: &str) -> Vec<Fence> {
    let mut fences: Vec<Fence> = Vec::new();
    let mut is_inside = false;
    for (event, range) in Parser::new(document).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let info = if let CodeBlockKind::Fenced(info) = kind { info.into_string() } else { "indented".to_owned() };
                let line = document[..range.start].lines().count() + usize::from(document[..range.start].ends_with('\n'));
                fences.push(Fence { line: line.max(1), kind: Kind::of(&info), text: String::new() });
                is_inside = true;
            }
            Event::End(TagEnd::CodeBlock) => is_inside = false,
            Event::Text(text) if is_inside => fences.last_mut().expect("it began").text.push_str(&text),
            _ => {}
        }
    }
    fences
}

#[test]
fn the_first_line_says_what_a_block_is_for() {
    let document = "Text.\n\n```sh run\nls\n```\n\n```yaml run: a.yaml\na: 1\n```\n```text run\n…\n```\n\
                    ```sh illustrate: needs a moon\nfly\n```\n```\nls\n```\n\n    indented\n";
    let fences = all(document);
    let kinds: Vec<(usize, &Kind)> = fences.iter().map(|fence| (fence.line, &fence.kind)).collect();
    let unmarked = Kind::Unmarked(String::new());
    let expected = [
        (3, &Kind::Commands),
        (7, &Kind::File("a.yaml".to_owned())),
        (10, &Kind::Printed),
        (13, &Kind::Illustrates),
        (16, &unmarked),
        (20, &Kind::Unmarked("indented".to_owned())),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(fences[1].text, "a: 1\n");
    assert_eq!(Kind::of("sh illustrate"), Kind::Unmarked("sh illustrate".to_owned()), "without a reason");
}
