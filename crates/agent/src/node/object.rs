//! `objects` of a SecretProviderClass: what a volume is to hold. Pure.
//!
//! What Vault's provider understands is understood, so that a class moves by the name of its provider alone; what it can do and Lockstep cannot is
//! refused with what to do instead, and never left out silently.

use lockstep_proto::node;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::encoding::Encoding;
use super::mode::Mode;
use super::names::Names;
use super::refusal::Refusal;

/// The most of one class.
pub(super) const OBJECTS_MAX: usize = 64;

/// One object as it is written. Numbers are text here: what a 0 before one means is [`Mode`]'s to say.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    object_name: Option<String>,
    binding: Option<String>,
    path: Option<String>,
    secret_path: Option<String>,
    secret_key: Option<String>,
    file_permission: Option<String>,
    encoding: Option<String>,
    method: Option<String>,
    secret_args: Option<IgnoredAny>,
}

/// Where an object comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A binding, by name.
    Binding(String),
    /// A secret, by its path.
    Path(String),
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) source: Source,
    /// Of the binding or the secret; `None`: all.
    pub(super) key: Option<String>,
    /// Of the file. Without it: a file for each key, named so.
    pub(super) name: Option<String>,
    /// `None`: as the driver says.
    pub(super) mode: Option<Mode>,
    pub(super) encoding: Encoding,
}

/// All of a class.
pub(super) fn parse(text: &str) -> Result<Vec<Object>, Refusal> {
    let invalid = |why: &str| Refusal::invalid(format!("the SecretProviderClass' objects: {why}"));
    if text.trim().is_empty() {
        return Err(invalid("there are none; write a YAML list of objects, each with a binding or a secretPath"));
    }
    let options = serde_saphyr::options! { with_snippet: false };
    let written: Vec<Written> = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| invalid(&format!("{error}; they are a YAML list of objects")))?;
    if written.is_empty() {
        return Err(invalid("the list is empty"));
    }
    if written.len() > OBJECTS_MAX {
        return Err(invalid(&format!("there are {}, and a volume has at most {OBJECTS_MAX}", written.len())));
    }
    let mut names = Names::default();
    let mut objects = Vec::with_capacity(written.len());
    for (index, written) in written.into_iter().enumerate() {
        let place = written.object_name.as_ref().map_or_else(|| format!("[{index}]"), |name| format!("[{index}] ({name})"));
        let object = Object::try_from(written).map_err(|why| invalid(&format!("{place}: {why}")))?;
        if let Some(name) = object.file() {
            names.add(name, &object.label()).map_err(|why| invalid(&why))?;
        }
        objects.push(object);
    }
    Ok(objects)
}

impl TryFrom<Written> for Object {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { object_name, binding, path, secret_path, secret_key, file_permission, encoding, method, secret_args } =
            written;
        if secret_args.is_some() || method.is_some_and(|method| !method.eq_ignore_ascii_case("GET")) {
            return Err("secretArgs and method are of requests that make something in Vault, and a mount makes nothing: deliver a secret by \
                        a binding; for a certificate, have a Rotation of kind pki keep one, and bind that"
                .to_owned());
        }
        let source = match (set(binding), set(path), set(secret_path)) {
            (Some(name), None, None) => Source::Binding(name),
            (None, Some(path), None) => Source::Path(path),
            (None, None, Some(path)) => Source::Path(of_api(&path)?),
            (None, None, None) => return Err("it has none of binding, path, secretPath".to_owned()),
            _ => return Err("it has more than one of binding, path, secretPath".to_owned()),
        };
        let mode = file_permission.as_deref().map(Mode::of_class).transpose().map_err(|why| format!("filePermission {why}"))?;
        let encoding = Encoding::parse(encoding.as_deref().unwrap_or_default()).map_err(|why| format!("encoding {why}"))?;
        Ok(Self { source, key: set(secret_key), name: set(object_name), mode: mode.flatten(), encoding })
    }
}

/// Empty says as much as absent.
fn set(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// A path as Vault's provider takes it: of the API, with or without its version before it, and perhaps with parameters behind.
fn of_api(path: &str) -> Result<String, String> {
    let path = path.trim_start_matches('/');
    let path = path.strip_prefix("v1/").unwrap_or(path);
    match path.split_once('?') {
        None => Ok(path.to_owned()),
        Some((path, parameters)) => Err(format!(
            "secretPath asks for a state of its own with ?{parameters}, and a pod gets the one that its binding delivers: write {path:?} \
             here, and `version` at the binding's item to keep one"
        )),
    }
}

impl Object {
    /// The file, where it is known before the content is.
    fn file(&self) -> Option<&str> {
        self.name.as_deref().or(self.key.as_deref())
    }

    /// In the pod's status, beside its version.
    pub(super) fn id(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.origin())
    }

    fn origin(&self) -> String {
        let (Source::Binding(source) | Source::Path(source)) = &self.source;
        self.key.as_ref().map_or_else(|| source.clone(), |key| format!("{source}#{key}"))
    }

    /// In errors.
    pub(super) fn label(&self) -> String {
        let origin = self.origin();
        self.name.as_ref().map_or_else(|| format!("object {origin:?}"), |name| format!("object {name:?} of {origin:?}"))
    }
}

impl From<&Object> for node::Object {
    fn from(object: &Object) -> Self {
        let source = match object.source.clone() {
            Source::Binding(name) => node::object::Source::Binding(name),
            Source::Path(path) => node::object::Source::Path(path),
        };
        Self { source: Some(source), key: object.key.clone().unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests;
