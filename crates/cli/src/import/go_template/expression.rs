//! Expressions, and the functions that have an equal here.

use super::Root;
use super::token::Token;

/// Words that a Jinja variable cannot be called, and `keys`, which is all of them.
const RESERVED: [&str; 20] = [
    "and",
    "elif",
    "else",
    "false",
    "False",
    "filter",
    "for",
    "if",
    "in",
    "is",
    "keys",
    "loop",
    "none",
    "None",
    "not",
    "or",
    "recursive",
    "self",
    "true",
    "True",
];

/// An expression in our words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expression {
    pub(super) text: String,
    /// Whether it needs parentheses to be a part of another.
    loose: bool,
}

impl Expression {
    fn tight(text: String) -> Self {
        Self { text, loose: false }
    }

    fn loose(text: String) -> Self {
        Self { text, loose: true }
    }

    fn part(&self) -> String {
        if self.loose { format!("({})", self.text) } else { self.text.clone() }
    }
}

/// A constant is written as JSON has it, which Jinja reads alike.
fn constant(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Reads the tokens of an action.
pub(super) struct Reader<'a> {
    root: Root,
    tokens: &'a [Token],
    keys: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(root: Root, tokens: &'a [Token]) -> Self {
        Self { root, tokens, keys: Vec::new() }
    }

    pub(super) fn into_keys(self) -> Vec<String> {
        self.keys
    }

    pub(super) fn finish(&self) -> Result<(), String> {
        if self.tokens.is_empty() { Ok(()) } else { Err("something after the end of an expression".to_owned()) }
    }

    /// `command | command …`: what comes before is the last argument of what follows.
    pub(super) fn pipeline(&mut self) -> Result<Expression, String> {
        let mut value = self.command(None)?;
        while self.tokens.first() == Some(&Token::Pipe) {
            self.tokens = &self.tokens[1..];
            value = self.command(Some(value))?;
        }
        Ok(value)
    }

    fn command(&mut self, piped: Option<Expression>) -> Result<Expression, String> {
        let Some(Token::Word(function)) = self.tokens.first() else {
            let value = self.operand()?;
            return match piped {
                None => Ok(value),
                Some(_) => Err("a value that something is piped into".to_owned()),
            };
        };
        if function == "true" || function == "false" {
            return Err(format!("the constant {function}"));
        }
        self.tokens = &self.tokens[1..];
        if matches!(function.as_str(), "index" | "get") && piped.is_none() {
            return self.key_by_name(function);
        }
        let mut arguments = Vec::new();
        while self.tokens.first().is_some_and(|token| !matches!(token, Token::Pipe | Token::Close)) {
            arguments.push(self.operand()?);
        }
        arguments.extend(piped);
        call(function, &arguments).ok_or_else(|| format!("the function {function}"))
    }

    /// `index . "key"`, `get .Secrets "key"`.
    fn key_by_name(&mut self, function: &str) -> Result<Expression, String> {
        let (Some(Token::Field(of)), Some(Token::Text(key))) = (self.tokens.first(), self.tokens.get(1)) else {
            return Err(format!("{function} of anything but the secret and a constant name"));
        };
        let all = match self.root {
            Root::Top => of.is_empty(),
            Root::Secrets => *of == ["Secrets"],
        };
        if !all {
            return Err(format!("{function} of .{}", of.join(".")));
        }
        self.tokens = &self.tokens[2..];
        Ok(self.key(key))
    }

    fn operand(&mut self) -> Result<Expression, String> {
        let Some((first, rest)) = self.tokens.split_first() else { return Err("an action without a value".to_owned()) };
        self.tokens = rest;
        match first {
            Token::Text(text) => Ok(Expression::tight(constant(text))),
            Token::Field(names) => self.field(names),
            Token::Open => {
                let inner = self.pipeline()?;
                match self.tokens.split_first() {
                    Some((Token::Close, rest)) => self.tokens = rest,
                    _ => return Err("a ( without its )".to_owned()),
                }
                Ok(inner)
            }
            Token::Number(number) => Err(format!("the number {number}")),
            Token::Word(word) => Err(format!("the function {word} as an argument")),
            Token::Pipe | Token::Close => Err("a sign where a value should be".to_owned()),
        }
    }

    fn field(&mut self, names: &[String]) -> Result<Expression, String> {
        match (self.root, names) {
            (Root::Top, [key]) => Ok(self.key(key)),
            (Root::Secrets, [all, key]) if all == "Secrets" => Ok(self.key(key)),
            (_, []) => Err("the whole secret (.)".to_owned()),
            _ => Err(format!(".{}, which is no key of the secret", names.join("."))),
        }
    }

    fn key(&mut self, key: &str) -> Expression {
        self.keys.push(key.to_owned());
        let is_name = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && !RESERVED.contains(&key);
        Expression::tight(if is_name { key.to_owned() } else { format!("keys[{}]", constant(key)) })
    }
}

/// A function of Go's or of Sprig's, where there is an equal.
fn call(function: &str, arguments: &[Expression]) -> Option<Expression> {
    let filter = |value: &Expression, filter: &str| Some(Expression::tight(format!("{} | {filter}", value.part())));
    // A filter binds closer than every operator, so what it is applied to needs parentheses and what it makes does not.
    match (function, arguments) {
        ("b64enc" | "base64encode", [value]) => filter(value, "b64encode"),
        ("b64dec" | "base64decode", [value]) => filter(value, "b64decode"),
        ("upper" | "lower" | "trim", [value]) => filter(value, function),
        ("toString" | "print", [value]) => Some(value.clone()),
        ("replace", [old, new, value]) => filter(value, &format!("replace({}, {})", old.text, new.text)),
        ("squote", [value]) => Some(Expression::loose(format!("\"'\" ~ {} ~ \"'\"", value.part()))),
        ("default", [other, value]) => {
            let (value, other) = (value.part(), other.part());
            Some(Expression::loose(format!("{value} if {value} else {other}")))
        }
        ("eq", [a, b]) => Some(Expression::loose(format!("{} == {}", a.part(), b.part()))),
        ("ne", [a, b]) => Some(Expression::loose(format!("{} != {}", a.part(), b.part()))),
        ("not", [value]) => Some(Expression::loose(format!("not {}", value.part()))),
        ("and" | "or", [_, _, ..]) => {
            let parts: Vec<String> = arguments.iter().map(Expression::part).collect();
            Some(Expression::loose(parts.join(&format!(" {function} "))))
        }
        ("printf", [format, values @ ..]) => printf(format, values),
        _ => None,
    }
}

/// Of a constant format with `%s` and `%v` only.
fn printf(format: &Expression, values: &[Expression]) -> Option<Expression> {
    let format: String = serde_json::from_str(&format.text).ok()?;
    let (mut parts, mut values, mut rest) = (Vec::new(), values.iter(), format.as_str());
    while let Some((before, after)) = rest.split_once('%') {
        if !before.is_empty() {
            parts.push(constant(before));
        }
        rest = match after.chars().next()? {
            's' | 'v' => {
                parts.push(values.next()?.part());
                &after[1..]
            }
            '%' => {
                parts.push(constant("%"));
                &after[1..]
            }
            _ => return None,
        };
    }
    if !rest.is_empty() {
        parts.push(constant(rest));
    }
    let all_used = values.next().is_none() && !parts.is_empty();
    all_used.then(|| Expression { loose: parts.len() > 1, text: parts.join(" ~ ") })
}
