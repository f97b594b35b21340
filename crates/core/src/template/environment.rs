//! The engine as templates find it: pure filters, no way out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};

use super::TEMPLATE_FUEL;
use super::error::Cause;

/// The functions that templates may call: they make lists and maps.
pub(super) const FUNCTIONS: [&str; 3] = ["dict", "namespace", "range"];

/// A new one for each rendering. Statements that reach other templates are not compiled in (`multi_template`, `macros`), and there is no
/// loader.
pub(super) fn environment<'a>() -> Environment<'a> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(TEMPLATE_FUEL));
    // A value stays as it is, also in a key that is called `index.html`.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // The last newline of a file is a part of it.
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    let unwanted: Vec<String> =
        environment.globals().map(|(name, _)| name.to_owned()).filter(|name| !FUNCTIONS.contains(&name.as_str())).collect();
    for name in &unwanted {
        environment.remove_global(name);
    }
    environment.add_filter("b64encode", |text: &str| STANDARD.encode(text));
    environment.add_filter("b64decode", decode);
    environment
}

fn decode(text: &str) -> Result<String, Error> {
    let bytes = STANDARD.decode(text.trim()).map_err(|_| Cause::NotBase64.into_error())?;
    String::from_utf8(bytes).map_err(|_| Cause::DecodesToNoText.into_error())
}
