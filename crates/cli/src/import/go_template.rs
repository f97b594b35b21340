//! From Go templates, as other tools have them, to templates of a binding, where these say exactly the same.
//!
//! What has no equal is an error that names it: a template that says nearly the same would deliver something else. Left aside are values that
//! are not there: both refuse to render.

mod expression;
mod token;

use lockstep_core::template::check_syntax;

use expression::{Expression, Reader};
use token::{Token, tokens};

/// How a template names a key of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// `.key`
    Top,
    /// `.Secrets.key`
    Secrets,
}

/// What a template became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) text: String,
    /// The keys it names.
    pub(super) keys: Vec<String>,
}

/// `text` in our words, or what in it has no equal.
pub(super) fn translate(text: &str, root: Root) -> Result<Translated, String> {
    let mut writer = Writer { root, out: String::new(), keys: Vec::new(), open: 0 };
    for piece in pieces(text)? {
        match piece {
            Piece::Text(text) => writer.text(&text),
            Piece::Action(action) => writer.action(&action)?,
        }
    }
    if writer.open > 0 {
        return Err("an `if` without its `end`".to_owned());
    }
    check_syntax(&writer.out).map_err(|error| format!("what it would be here is no template: {error}"))?;
    Ok(Translated { text: writer.out, keys: writer.keys })
}

enum Piece {
    Text(String),
    /// What is between the braces, without the marks that trim.
    Action(String),
}

/// Go's white space that a `-` trims.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut rest, mut trim) = (Vec::new(), text, false);
    loop {
        let (before, after) = rest.split_once("{{").map_or((rest, None), |(before, after)| (before, Some(after)));
        let mut before = if trim { before.trim_start_matches(SPACE) } else { before };
        let trims = after.is_some_and(|after| after.starts_with('-') && after[1..].starts_with(SPACE));
        if trims {
            before = before.trim_end_matches(SPACE);
        }
        pieces.push(Piece::Text(before.to_owned()));
        let Some(after) = after else { return Ok(pieces) };
        let inside = if trims { &after[1..] } else { after };
        let end = token::end_of_action(inside).ok_or("an action without its }}")?;
        let action = &inside[..end];
        trim = action.strip_suffix('-').is_some_and(|action| action.ends_with(SPACE));
        let action = if trim { &action[..action.len() - 1] } else { action };
        pieces.push(Piece::Action(action.trim_matches(SPACE).to_owned()));
        rest = &inside[end + 2..];
    }
}

struct Writer {
    root: Root,
    out: String,
    keys: Vec<String>,
    open: usize,
}

impl Writer {
    /// A brace that would begin a tag here is written as a text in one.
    fn text(&mut self, text: &str) {
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            let begins = c == '{' && characters.peek().is_none_or(|next| matches!(next, '{' | '%' | '#'));
            if begins {
                self.out.push_str("{{ \"{\" }}");
            } else {
                self.out.push(c);
            }
        }
    }

    fn action(&mut self, action: &str) -> Result<(), String> {
        if action.starts_with("/*") && action.ends_with("*/") {
            return Ok(());
        }
        let tokens = tokens(action)?;
        let words: Vec<&str> = tokens.iter().map_while(Token::word).collect();
        match words[..] {
            ["else", "if", ..] => {
                let condition = self.expression(&tokens[2..])?;
                self.tag("{% elif ", &condition, " %}");
            }
            ["else"] => self.out.push_str("{% else %}"),
            ["end"] if self.open > 0 => {
                self.open -= 1;
                self.out.push_str("{% endif %}");
            }
            ["if", ..] => {
                let condition = self.expression(&tokens[1..])?;
                self.open += 1;
                self.tag("{% if ", &condition, " %}");
            }
            _ => {
                let value = self.expression(&tokens)?;
                self.tag("{{ ", &value, " }}");
            }
        }
        Ok(())
    }

    fn tag(&mut self, open: &str, inner: &Expression, close: &str) {
        self.out.extend([open, &inner.text, close]);
    }

    fn expression(&mut self, tokens: &[Token]) -> Result<Expression, String> {
        let mut reader = Reader::new(self.root, tokens);
        let expression = reader.pipeline()?;
        reader.finish()?;
        self.keys.extend(reader.into_keys());
        Ok(expression)
    }
}

#[cfg(test)]
mod tests;
