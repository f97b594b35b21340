//! The engine as templates find it: pure filters, no way out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, HtmlEscape, State, UndefinedBehavior, Value, filters};

use super::error::Cause;

/// The widest indentation, in spaces: the engine makes room for JSON's before it counts.
const INDENT_MAX: usize = 64;
/// What a fuel of the engine pays for, in bytes.
const BYTES_A_FUEL: u64 = 64;

const NO_OPTIONS: [(&str, Value); 0] = [];

/// A new one for each rendering. Statements that reach other templates are not compiled in (`multi_template`, `macros`), and there is no
/// loader.
pub(super) fn environment<'a>() -> Environment<'a> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // A value stays as it is, also in a key that is called `index.html`.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // The last newline of a file is a part of it.
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    let functions: Vec<String> = environment.globals().map(|(name, _)| name.to_owned()).collect();
    for name in &functions {
        environment.remove_global(name);
    }
    environment.add_filter("b64encode", |text: &str| STANDARD.encode(text));
    environment.add_filter("b64decode", decode);
    // The engine's own of these take what is not there for an empty text.
    for name in ["e", "escape"] {
        environment.add_filter(name, |value: &Value| there(value).map(|value| HtmlEscape(&value.to_string()).to_string()));
    }
    environment.add_filter("indent", indent);
    environment.add_filter("tojson", json);
    environment.add_filter("urlencode", |value: &Value| filters::urlencode(there(value)?));
    environment
}

fn decode(text: &str) -> Result<String, Error> {
    let bytes = STANDARD.decode(text.trim()).map_err(|_| Cause::NotBase64.into_error())?;
    String::from_utf8(bytes).map_err(|_| Cause::DecodesToNoText.into_error())
}

#[expect(clippy::needless_pass_by_value, reason = "the engine gives filters their options as a value")]
fn json(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    options.assert_all_used()?;
    if indent.is_some_and(|indent| indent > INDENT_MAX) {
        return Err(Cause::TooWide.into_error());
    }
    // As plain text: what the engine answers would have text that is appended to it escaped for HTML.
    filters::tojson(there(value)?, indent.map(Value::from), Kwargs::from_iter(NO_OPTIONS)).map(|json| json.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "the engine gives filters their options as a value")]
fn indent(state: &State, text: &str, width: Option<usize>, first: Option<bool>, options: Kwargs) -> Result<String, Error> {
    let width = width.or(options.get("width")?).unwrap_or(4);
    let first = first.or(options.get("first")?).unwrap_or(false);
    let blank = options.get::<Option<bool>>("blank")?.unwrap_or(false);
    options.assert_all_used()?;
    if width > INDENT_MAX {
        return Err(Cause::TooWide.into_error());
    }
    let text = text.strip_suffix('\n').unwrap_or(text);
    state.consume_fuel((text.len() + text.matches('\n').count() * width) as u64 / BYTES_A_FUEL)?;
    let indented = text.split('\n').enumerate().map(|(i, line)| {
        let bare = (i == 0 && !first) || (line.trim().is_empty() && !blank);
        format!("{:1$}{line}", "", if bare { 0 } else { width })
    });
    Ok(indented.collect::<Vec<_>>().join("\n"))
}

fn there(value: &Value) -> Result<&Value, Error> {
    if value.is_undefined() { Err(ErrorKind::UndefinedError.into()) } else { Ok(value) }
}
