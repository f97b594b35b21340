//! Globs over paths and namespaces: `*` stops at `/`, `**` does not. Nothing else is special.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::kv::PATH_MAX_BYTES;

/// A checked glob.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob(String);

/// Why a text is no glob.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GlobError {
    /// Nothing was given: an empty glob would match nothing, which is never meant.
    #[error("a glob is empty: use '**' for everything")]
    Empty,
    /// Longer than a path can be.
    #[error("a glob is longer than {PATH_MAX_BYTES} bytes")]
    TooLong,
    /// `***` or more stars in a row, whose meaning would have to be guessed.
    #[error("{0:?} has three or more '*' in a row: '*' matches within one path segment, '**' across segments")]
    Stars(String),
    /// Shell syntax that is not ours; taken literally it would silently never match.
    #[error("{0:?} uses {1:?}, which has no meaning here: only '*' and '**' are special")]
    Special(String, char),
}

impl Glob {
    /// `**`, which matches everything.
    pub fn everything() -> Self {
        Self("**".to_owned())
    }

    /// The glob as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `text` matches.
    ///
    /// Takes time in proportion to the product of both lengths at worst, whatever the pattern: no backtracking.
    pub fn matches(&self, text: &str) -> bool {
        let tokens = tokens(&self.0);
        // `reach[i]`: the first `i` tokens can match what has been read so far.
        let mut reach = vec![false; tokens.len() + 1];
        reach[0] = true;
        close(&tokens, &mut reach);
        for c in text.chars() {
            let mut next = vec![false; tokens.len() + 1];
            for (i, token) in tokens.iter().enumerate() {
                if !reach[i] {
                    continue;
                }
                match token {
                    Token::Literal(l) if *l == c => next[i + 1] = true,
                    Token::Segment if c != '/' => next[i] = true,
                    Token::Any => next[i] = true,
                    Token::Literal(_) | Token::Segment => {}
                }
            }
            reach = next;
            close(&tokens, &mut reach);
        }
        reach[tokens.len()]
    }
}

enum Token {
    Literal(char),
    Segment,
    Any,
}

fn tokens(glob: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(glob.len());
    let mut chars = glob.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' if chars.next_if_eq(&'*').is_some() => Token::Any,
            '*' => Token::Segment,
            other => Token::Literal(other),
        });
    }
    tokens
}

/// A star also matches nothing, so what reaches it reaches what follows.
fn close(tokens: &[Token], reach: &mut [bool]) {
    for (i, token) in tokens.iter().enumerate() {
        if reach[i] && matches!(token, Token::Segment | Token::Any) {
            reach[i + 1] = true;
        }
    }
}

impl FromStr for Glob {
    type Err = GlobError;
    fn from_str(text: &str) -> Result<Self, GlobError> {
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        if text.len() > PATH_MAX_BYTES {
            return Err(GlobError::TooLong);
        }
        if text.contains("***") {
            return Err(GlobError::Stars(text.to_owned()));
        }
        if let Some(c) = text.chars().find(|c| "?[]{}!\\".contains(*c)) {
            return Err(GlobError::Special(text.to_owned(), c));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Glob {
    type Error = GlobError;
    fn try_from(text: String) -> Result<Self, GlobError> {
        text.parse()
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.0
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_star_stops_at_a_slash_and_two_do_not() {
        for (glob, text, want) in [
            ("payments/**", "payments/a", true),
            ("payments/**", "payments/a/b/c", true),
            ("payments/**", "payments", false),
            ("payments/**", "paymentsx/a", false),
            ("payments/*", "payments/a", true),
            ("payments/*", "payments/a/b", false),
            ("payments/*/db", "payments/checkout/db", true),
            ("payments/*/db", "payments/a/b/db", false),
            ("payments/**/db", "payments/a/b/db", true),
            ("payments-*", "payments-prod", true),
            ("payments-*", "payments", false),
            ("**", "a/b", true),
            ("*", "a/b", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("a.c", "abc", false),
        ] {
            assert_eq!(glob.parse::<Glob>().unwrap().matches(text), want, "{glob} on {text}");
        }
    }

    #[test]
    fn a_hostile_glob_takes_no_longer_than_its_size() {
        let glob: Glob = "**a".repeat(100).parse().unwrap();
        assert!(!glob.matches(&"a".repeat(99)));
        assert!(glob.matches(&"a".repeat(100)));
    }

    #[test]
    fn what_a_shell_would_understand_is_refused_and_not_taken_literally() {
        for bad in ["", "a?", "a[b]", "{a,b}", "a***", "!a"] {
            assert!(bad.parse::<Glob>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_star_matches_what_a_slow_and_plain_matcher_matches(glob in "[ab/*]{1,8}", text in "[ab/]{0,8}") {
            if let Ok(parsed) = glob.parse::<Glob>() {
                proptest::prop_assert_eq!(parsed.matches(&text), plain(&tokens(&glob), &text.chars().collect::<Vec<_>>()));
            }
        }
    }

    fn plain(tokens: &[Token], text: &[char]) -> bool {
        match (tokens.first(), text.first()) {
            (None, None) => true,
            (Some(Token::Literal(l)), Some(c)) => l == c && plain(&tokens[1..], &text[1..]),
            (None, Some(_)) | (Some(Token::Literal(_)), None) => false,
            (Some(Token::Segment), c) => plain(&tokens[1..], text) || c.is_some_and(|c| *c != '/' && plain(tokens, &text[1..])),
            (Some(Token::Any), c) => plain(&tokens[1..], text) || c.is_some_and(|_| plain(tokens, &text[1..])),
        }
    }
}
