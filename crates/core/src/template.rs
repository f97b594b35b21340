//! Templates: keys of a target that are made from the keys of the binding's secrets.
//!
//! A template sees what the binding delivers and nothing else: no file, no environment, no other secret, no other template. A key is
//! a variable where its name is one (`{{ password }}`), and every key is in `keys` (`{{ keys["tls.crt"] }}`). What is not there is an
//! error, never an empty text. Nothing is kept between two renderings.
//!
//! The engine's errors quote the values that they stumbled over, so none of their words leave this module: an error here is made of the
//! template's name, the line, names of keys and variables, and our own words.

mod environment;
mod error;

use std::collections::BTreeMap;
use std::io;

use minijinja::{Environment, Template, Value};
use zeroize::Zeroizing;

use crate::binding::Delivered;
use crate::material::Material;
use crate::render::{self, CONTENT_MAX_BYTES, RenderError, Rendered};
use environment::environment;
use error::Cause;

pub use error::{Problem, SyntaxError, TemplateError};

/// What rendering one template may cost: a step of the engine is 1, and so are 64 bytes that it makes or reads. This bounds time and
/// memory, at about 6 MiB.
pub const TEMPLATE_FUEL: u64 = 100_000;

/// The variable that has every key.
const KEYS: &str = "keys";

/// Whether a template can be understood. Its text holds no material, so the error may quote it.
pub fn check_syntax(text: &str) -> Result<(), SyntaxError> {
    environment().template_from_str(text).map(|_| ()).map_err(|error| SyntaxError::of(&error))
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
    let (environment, context) = (environment(), context(&given));
    let mut made = Vec::with_capacity(delivered.templates.len());
    for (key, text) in &delivered.templates {
        let material = render_one(&environment, text, &context).map_err(|(line, problem)| TemplateError::Failed {
            template: key.clone(),
            line,
            problem,
        })?;
        made.push((key.clone(), material));
    }
    let kept = given.iter().filter(|_| !delivered.templates_only).map(|(key, value)| (key.to_owned(), value.clone()));
    Ok(Rendered::of(kept.chain(made))?)
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

fn render_one(
    environment: &Environment<'_>,
    text: &str,
    context: &BTreeMap<String, Value>,
) -> Result<Material, (Option<usize>, Problem)> {
    let template = environment.template_from_str(text).map_err(|error| (error.line(), Problem::of(&error, Vec::new)))?;
    let mut out = Bounded::default();
    let rendered = template.render_captured_to(Value::from(context.clone()), &mut out).map(|_| ());
    if out.full {
        return Err((None, Problem::TooLarge));
    }
    rendered.map_err(|error| (error.line(), Problem::of(&error, || not_there(&template, context))))?;
    Ok(Material::new(std::mem::take(&mut *out.bytes)))
}

/// The variables that a template names and that are not there. Names are the template's own text.
fn not_there(template: &Template<'_, '_>, context: &BTreeMap<String, Value>) -> Vec<String> {
    let is_there = |name: &str| match name.split_once('.') {
        Some((KEYS, rest)) => context.contains_key(rest),
        _ => context.contains_key(name.split('.').next().unwrap_or(name)),
    };
    let globals = template.undeclared_variables(true).into_iter().filter(|name| !is_there(name));
    let mut names: Vec<String> = globals.filter(|name| !environment::FUNCTIONS.contains(&name.as_str())).collect();
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
