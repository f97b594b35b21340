//! What a template may say: less than the engine understands.
//!
//! Fuel bounds what the engine counts, and that is not everything. A list that holds itself twice, sixty times over, is written in a few
//! lines and never printed to its end; a chain of thousands of operators ends in a stack overflow, and with it the whole server. So a
//! template has values without parts only: texts, numbers, and the one map `keys`. Lists are for `in`, and made of constants; there are no
//! maps, tuples, functions or recursive loops, and no filters that make lists. And it has a limited number of tokens.
//!
//! This looks at the tokens and not at what is parsed from them, because parsing is where a stack can overflow.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::TEMPLATE_TOKENS_MAX;
use super::error::SyntaxError;

/// The filters that templates have: from text or number to text or number.
pub(super) const FILTERS: [&str; 23] = [
    "abs",
    "b64decode",
    "b64encode",
    "bool",
    "capitalize",
    "count",
    "d",
    "default",
    "e",
    "escape",
    "float",
    "indent",
    "int",
    "length",
    "lower",
    "replace",
    "round",
    "string",
    "title",
    "tojson",
    "trim",
    "upper",
    "urlencode",
];

/// The statements that templates have.
const STATEMENTS: [&str; 12] =
    ["elif", "else", "endfilter", "endfor", "endif", "endset", "endwith", "filter", "for", "if", "set", "with"];

/// Words after which an operand begins, so that what follows is no call and no subscript.
const BEFORE_AN_OPERAND: [&str; 13] =
    ["and", "elif", "else", "filter", "for", "if", "in", "is", "not", "or", "recursive", "set", "with"];

/// What an open bracket is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// `f(`: arguments.
    Call,
    /// `(`: an expression.
    Group,
    /// `x[`: which part of `x`.
    Subscript,
    /// `in [`: constants.
    List,
}

/// Refuses what a template may not say.
pub(super) fn check(text: &str, syntax: SyntaxConfig) -> Result<(), SyntaxError> {
    let mut tag = Tag::default();
    for (count, token) in tokenize(text, false, syntax).enumerate() {
        let (token, span) = token.map_err(|error| SyntaxError::of(&error))?;
        let refused = |detail: String| SyntaxError { line: usize::from(span.start_line), detail };
        if count >= TEMPLATE_TOKENS_MAX {
            return Err(refused(format!("more than the {TEMPLATE_TOKENS_MAX} tokens that a template may have: split it")));
        }
        tag.take(&token).map_err(refused)?;
    }
    Ok(())
}

/// Where in a tag we are.
#[derive(Default)]
struct Tag {
    open: Vec<Open>,
    statement: String,
    /// The `in` of a `for` has passed.
    after_in: bool,
    last: Last,
}

/// What came before.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// The begin of a statement.
    Statement,
    /// A value that may be called, or of which a part may be taken.
    Operand,
    /// `in`.
    In,
    /// `|`, or `filter` in a statement.
    Pipe,
    /// The end of a list.
    List,
    /// `recursive`, or anything else.
    Recursive,
    #[default]
    Other,
}

impl Tag {
    fn take(&mut self, token: &Token<'_>) -> Result<(), String> {
        if self.last == Last::List && !may_follow_a_list(token) {
            return Err(
                "a list is for a loop or a comparison, as in `in [\"a\", \"b\"]`: nothing else can be done with it".to_owned()
            );
        }
        self.last = match token {
            Token::VariableStart => self.begin(Last::Other),
            Token::BlockStart => self.begin(Last::Statement),
            Token::VariableEnd | Token::BlockEnd => self.end()?,
            Token::Ident(word) => self.word(word)?,
            Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Int128(_) | Token::Float(_) => Last::Operand,
            Token::ParenOpen => self.opens(if self.last == Last::Operand { Open::Call } else { Open::Group })?,
            Token::BracketOpen => self.opens(match self.last {
                Last::Operand => Open::Subscript,
                Last::In => Open::List,
                _ => return Err("a list can only follow `in`, as in `in [\"a\", \"b\"]`".to_owned()),
            })?,
            Token::ParenClose | Token::BracketClose => match self.open.pop() {
                Some(Open::List) => Last::List,
                _ => Last::Operand,
            },
            Token::BraceOpen | Token::BraceClose => return Err("templates have no maps".to_owned()),
            Token::Comma => self.comma()?,
            Token::Pipe => self.unless_in_a_list(Last::Pipe)?,
            Token::TemplateData(_) => Last::Other,
            _ => self.unless_in_a_list(Last::Other)?,
        };
        Ok(())
    }

    fn begin(&mut self, last: Last) -> Last {
        *self = Self::default();
        last
    }

    fn end(&self) -> Result<Last, String> {
        if self.last == Last::Recursive {
            return Err("templates have no recursive loops".to_owned());
        }
        Ok(Last::Other)
    }

    fn word(&mut self, word: &str) -> Result<Last, String> {
        match self.last {
            Last::Statement if STATEMENTS.contains(&word) => word.clone_into(&mut self.statement),
            Last::Statement => return Err(format!("templates have no statement {word:?}, only {}", STATEMENTS.join(", "))),
            Last::Pipe if FILTERS.contains(&word) => return Ok(Last::Operand),
            Last::Pipe => return Err(format!("templates have no filter {word:?}, only {}", FILTERS.join(", "))),
            _ => {}
        }
        let constant = matches!(word, "true" | "True" | "false" | "False" | "none" | "None");
        if !constant {
            self.unless_in_a_list(Last::Other)?;
        }
        self.after_in |= word == "in" && self.open.is_empty();
        Ok(match word {
            "in" => Last::In,
            "filter" if self.last == Last::Statement => Last::Pipe,
            "recursive" => Last::Recursive,
            _ if BEFORE_AN_OPERAND.contains(&word) => Last::Other,
            _ => Last::Operand,
        })
    }

    fn opens(&mut self, open: Open) -> Result<Last, String> {
        self.unless_in_a_list(Last::Other)?;
        self.open.push(open);
        Ok(Last::Other)
    }

    fn comma(&self) -> Result<Last, String> {
        match self.open.last() {
            Some(Open::Call | Open::List) => Ok(Last::Other),
            None if self.statement == "for" && !self.after_in => Ok(Last::Other),
            _ => Err("templates have no tuples: a comma is for arguments, and for lists after `in`".to_owned()),
        }
    }

    fn unless_in_a_list(&self, last: Last) -> Result<Last, String> {
        if self.open.last() == Some(&Open::List) {
            return Err("a list in a template is made of constants, such as [\"a\", \"b\"]".to_owned());
        }
        Ok(last)
    }
}

fn may_follow_a_list(token: &Token<'_>) -> bool {
    match token {
        Token::VariableEnd | Token::BlockEnd | Token::ParenClose | Token::Comma => true,
        Token::Ident(word) => matches!(*word, "and" | "or" | "if" | "else" | "recursive"),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
