//! Templates: keys of a target that are made from the keys of the binding's secrets.
//!
//! A template sees what the binding delivers and nothing else: no file, no environment, no other secret, no other template. A key is
//! a variable where its name is one (`{{ password }}`), and every key is in `keys` (`{{ keys["tls.crt"] }}`). What is not there is an
//! error, never an empty text. Nothing is kept between two renderings. Which part of Jinja's language there is, says `grammar`.
//!
//! The engine's errors quote the values that they stumbled over, so none of their words leave this module: an error here is made of the
//! template's name, the line, names of keys and variables, and our own words.

mod environment;
mod error;
mod grammar;

use std::collections::BTreeMap;
use std::{io, thread};

use minijinja::{Environment, Template, Value};
use zeroize::Zeroizing;

use crate::binding::Delivered;
use crate::material::Material;
use crate::render::{self, CONTENT_MAX_BYTES, RenderError, Rendered};
use environment::environment;
use error::Cause;

pub use error::{Problem, SyntaxError, TemplateError};

/// What rendering all templates of a binding may cost: a step of the engine is 1, and so are 64 bytes that it makes or reads. This
/// bounds time, and memory at about 6 MiB.
pub const TEMPLATES_FUEL: u64 = 100_000;
/// The most tokens of one template: a text between two tags is one, and in a tag each word, number, text and sign.
pub const TEMPLATE_TOKENS_MAX: usize = 4_096;

/// The stack that templates are parsed and rendered on. The engine descends a step for each operator of a chain: about 1.5 KiB each,
/// unoptimized, so 6 MiB for as many as there can be.
const STACK_BYTES: usize = 32 << 20;

/// The variable that has every key.
const KEYS: &str = "keys";

/// Whether a template can be understood. Its text holds no material, so the error may quote it.
pub fn check_syntax(text: &str) -> Result<(), SyntaxError> {
    let environment = environment();
    grammar::check(text, environment.syntax().clone())?;
    let parsed = apart(|| environment.template_from_str(text).map(|_| ()).map_err(|error| SyntaxError::of(&error)));
    parsed.unwrap_or_else(|| Err(SyntaxError { line: 1, detail: error::ENGINE_FAILED.to_owned() }))
}

/// Renders a binding: its items' keys and its templates', or only these. `materials` are the keys of the version chosen for each item,
/// `None` where it is gone.
pub fn render(delivered: &Delivered, materials: &[Option<&BTreeMap<String, Material>>]) -> Result<Rendered, TemplateError> {
    if delivered.templates.is_empty() {
        return Ok(render::render(&delivered.items, materials)?);
    }
    let given = if delivered.templates_only {
        // These are not delivered, so they need no names that could be.
        Rendered::of(render::merge(&delivered.items, materials)?.into_iter().map(|(_, key, value)| (key, value)))?
    } else {
        render::render(&delivered.items, materials)?
    };
    if let (false, Some(key)) = (delivered.templates_only, delivered.templates.keys().find(|key| given.get(key).is_some())) {
        return Err(RenderError::KeyOfTemplate { key: key.clone() }.into());
    }
    let made = apart(|| render_all(&delivered.templates, &given)).unwrap_or(Err(TemplateError::Engine))?;
    let kept = given.iter().filter(|_| !delivered.templates_only).map(|(key, value)| (key.to_owned(), value.clone()));
    Ok(Rendered::of(kept.chain(made))?)
}

/// Does it on a stack of its own; `None` if that panicked or could not begin.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let begun = thread::Builder::new().name("templates".to_owned()).stack_size(STACK_BYTES).spawn_scoped(scope, work);
        begun.ok()?.join().ok()
    })
}

fn render_all(templates: &BTreeMap<String, String>, given: &Rendered) -> Result<Vec<(String, Material)>, TemplateError> {
    let (mut environment, context) = (environment(), context(given));
    let mut fuel = TEMPLATES_FUEL;
    let mut made = Vec::with_capacity(templates.len());
    for (key, text) in templates {
        environment.set_fuel(Some(fuel));
        let (material, left) = render_one(&environment, text, &context).map_err(|(line, problem)| TemplateError::Failed {
            template: key.clone(),
            line,
            problem,
        })?;
        fuel = left;
        made.push((key.clone(), material));
    }
    Ok(made)
}

/// The variables. A value that is no text is there too, as an error that shows when it is used.
fn context(given: &Rendered) -> BTreeMap<String, Value> {
    let value = |key: &str, material: &Material| match std::str::from_utf8(material.expose()) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from(Cause::NotText(key.to_owned()).into_error()),
    };
    let mut context: BTreeMap<String, Value> = given.iter().map(|(key, m)| (key.to_owned(), value(key, m))).collect();
    let keys = Value::from(context.clone());
    context.insert(KEYS.to_owned(), keys);
    context
}

/// What one template makes, and how much fuel is left then.
fn render_one(
    environment: &Environment<'_>,
    text: &str,
    context: &BTreeMap<String, Value>,
) -> Result<(Material, u64), (Option<usize>, Problem)> {
    // What is stored was checked when it was written, by whichever version that was.
    grammar::check(text, environment.syntax().clone()).map_err(|error| (Some(error.line), Problem::Syntax))?;
    let template = environment.template_from_str(text).map_err(|error| (error.line(), Problem::Syntax))?;
    let mut out = Bounded::default();
    let rendered = template.render_captured_to(Value::from(context.clone()), &mut out);
    let left = rendered.map(|captured| captured.state().fuel_levels().map_or(0, |(_, left)| left));
    if out.full {
        return Err((None, Problem::TooLarge));
    }
    let left = left.map_err(|error| (error.line(), Problem::of(&error, || not_there(&template, context))))?;
    Ok((Material::new(std::mem::take(&mut *out.bytes)), left))
}

/// The variables that a template names and that are not there. Names are the template's own text.
fn not_there(template: &Template<'_, '_>, context: &BTreeMap<String, Value>) -> Vec<String> {
    let is_there = |name: &str| match name.split_once('.') {
        Some((KEYS, rest)) => context.contains_key(rest),
        _ => context.contains_key(name.split('.').next().unwrap_or(name)),
    };
    let mut names: Vec<String> = template.undeclared_variables(true).into_iter().filter(|name| !is_there(name)).collect();
    names.sort_unstable();
    names
}

/// Takes as much as a target may hold, and wipes it if nobody takes it over.
#[derive(Default)]
struct Bounded {
    bytes: Zeroizing<Vec<u8>>,
    full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > CONTENT_MAX_BYTES {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
