//! Why a template cannot be rendered, without a word of the engine's that may quote a value.

use std::error::Error as _;

use minijinja::{Error, ErrorKind};
use thiserror::Error;

use super::TEMPLATES_FUEL;
use crate::render::{CONTENT_MAX_BYTES, RenderError};

/// What is said of a fault of the engine.
pub(super) const ENGINE_FAILED: &str = "the template engine failed: make the templates simpler";

/// The most names listed in one error.
const NAMES_MAX: usize = 8;

/// A template that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {detail}")]
pub struct SyntaxError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there, in the engine's words.
    pub detail: String,
}

/// Why a binding with templates cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// Not because of a template.
    #[error(transparent)]
    Content(#[from] RenderError),
    /// Because of this one.
    #[error("template {template:?}{}: {problem}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Failed {
        /// The key that it was to make.
        template: String,
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// Why.
        problem: Problem,
    },
    /// Because of the engine.
    #[error("{ENGINE_FAILED}")]
    Engine,
}

/// What is wrong with a template or with what it was given.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// A value that is not there.
    #[error("it uses a value that is not there{}: correct the name, write the key in Vault, or give it | default(\"…\")", listed(.0))]
    Undefined(Vec<String>),
    /// A value that is not UTF-8.
    #[error("key {0:?} is not text (UTF-8), so no template can use it: deliver it under a key of its own")]
    NotText(String),
    /// `b64decode` of something else.
    #[error("b64decode was given what is not base64")]
    NotBase64,
    /// `b64decode` of bytes that are not UTF-8.
    #[error("b64decode gives what is not text (UTF-8), which no template can use")]
    DecodesToNoText,
    /// An indentation of more spaces than there can be.
    #[error("it indents by more than the 64 spaces that are possible")]
    TooWide,
    /// More than [`TEMPLATES_FUEL`].
    #[error(
        "it takes more than the {TEMPLATES_FUEL} steps that a template may take: loop over less, or make less text in between"
    )]
    OutOfFuel,
    /// More than [`CONTENT_MAX_BYTES`].
    #[error("it makes more than the {CONTENT_MAX_BYTES} bytes that a target may hold: make it shorter")]
    TooLarge,
    /// It cannot be understood.
    #[error("it has a syntax error: correct it in spec.templates")]
    Syntax,
    /// Anything else; the words are ours.
    #[error("{0}")]
    Other(&'static str),
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let more = if names.len() > NAMES_MAX { " and others" } else { "" };
    let names: Vec<String> = names.iter().take(NAMES_MAX).map(|name| format!("{name:?}")).collect();
    format!("; of what it names these are not: {}{more}", names.join(", "))
}

/// What we put into errors of the engine to know them again. They go through it as sources.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("")]
pub(super) enum Cause {
    NotText(String),
    NotBase64,
    DecodesToNoText,
    TooWide,
}

impl Cause {
    pub(super) fn into_error(self) -> Error {
        Error::from(ErrorKind::InvalidOperation).with_source(self)
    }

    fn of(error: &Error) -> Option<&Self> {
        let mut source = error.source();
        while let Some(error) = source {
            if let Some(cause) = error.downcast_ref() {
                return Some(cause);
            }
            source = error.source();
        }
        None
    }
}

impl SyntaxError {
    /// Only for errors of parsing: they quote the template and nothing else.
    pub(super) fn of(error: &Error) -> Self {
        let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        Self { line: error.line().unwrap_or(1), detail }
    }
}

impl Problem {
    /// Of the engine's error only its kind is used: also the name of an unknown filter may be a value.
    pub(super) fn of(error: &Error, not_there: impl FnOnce() -> Vec<String>) -> Self {
        match Cause::of(error) {
            Some(Cause::NotText(key)) => return Self::NotText(key.clone()),
            Some(Cause::NotBase64) => return Self::NotBase64,
            Some(Cause::DecodesToNoText) => return Self::DecodesToNoText,
            Some(Cause::TooWide) => return Self::TooWide,
            None => {}
        }
        match error.kind() {
            ErrorKind::UndefinedError => Self::Undefined(not_there()),
            ErrorKind::OutOfFuel => Self::OutOfFuel,
            ErrorKind::SyntaxError => Self::Syntax,
            ErrorKind::UnknownTest => Self::Other("it uses a test that does not exist: correct its name"),
            ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => Self::Other(
                "it calls a function that does not exist: templates have filters, and functions only to make lists and maps",
            ),
            ErrorKind::MissingArgument | ErrorKind::TooManyArguments => {
                Self::Other("a filter, test or function is given too few or too many arguments")
            }
            _ => Self::Other(
                "a filter, test or operator cannot work with the value that it is given: check the value's kind and form",
            ),
        }
    }
}
