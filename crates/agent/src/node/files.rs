//! From the agent's answer to the volume's files. Pure.

use lockstep_proto::node::{Entry, ObjectContent, ReadResponse};
use lockstep_proto::provider::{File, MountResponse, ObjectVersion};
use serde_json::{Map, Value};

use super::mode::Mode;
use super::names::Names;
use super::object::Object;
use super::refusal::Refusal;

/// What the driver receives at most in one answer.
const DRIVER_MAX_BYTES: usize = 4 << 20;
/// Of each file and version, beside names and contents: tags and lengths of the message, generously.
const FRAME_BYTES: usize = 32;

/// A volume.
#[derive(Debug)]
pub(super) struct Volume {
    pub(super) response: MountResponse,
    /// Whether any of it may not be the newest.
    pub(super) is_stale: bool,
}

/// The files of all objects, each with a mode, and the version of each object.
pub(super) fn volume(objects: &[Object], mode: Mode, answer: ReadResponse) -> Result<Volume, Refusal> {
    if answer.objects.len() != objects.len() {
        let (asked, given) = (objects.len(), answer.objects.len());
        return Err(Refusal::internal(format!("the agent answered {given} objects of {asked}: it may be of another version")));
    }
    let is_stale = answer.objects.iter().any(|content| content.stale);
    let mut making = Making::default();
    for (object, content) in objects.iter().zip(answer.objects) {
        making.add(object, object.mode.unwrap_or(mode), content)?;
    }
    Ok(Volume { response: making.response, is_stale })
}

#[derive(Default)]
struct Making {
    response: MountResponse,
    names: Names,
    bytes: usize,
}

impl Making {
    fn add(&mut self, object: &Object, mode: Mode, content: ObjectContent) -> Result<(), Refusal> {
        let label = object.label();
        let ObjectContent { version, entries, .. } = content;
        if entries.is_empty() || (object.key.is_some() && entries.len() != 1) {
            let count = entries.len();
            return Err(Refusal::internal(format!(
                "the agent answered {count} values for {label}: it may be of another version"
            )));
        }
        self.count(&label, object.id().len() + version.len())?;
        self.response.object_version.push(ObjectVersion { id: object.id(), version });
        match (&object.name, &object.key) {
            (Some(name), None) => self.file(&label, name, mode, together(&label, entries)?),
            (name, _) => entries.into_iter().try_for_each(|Entry { key, value }| {
                let value = object.encoding.decode(value).map_err(|why| {
                    Refusal::invalid(format!("{label}: the value of key {key:?} {why}, which the class' encoding says it is"))
                })?;
                self.file(&label, name.as_ref().unwrap_or(&key), mode, value)
            }),
        }
    }

    fn file(&mut self, label: &str, path: &str, mode: Mode, contents: Vec<u8>) -> Result<(), Refusal> {
        self.names.add(path, label).map_err(Refusal::invalid)?;
        self.count(label, path.len() + contents.len())?;
        self.response.files.push(File { path: path.to_owned(), mode: mode.bits(), contents });
        Ok(())
    }

    fn count(&mut self, label: &str, bytes: usize) -> Result<(), Refusal> {
        self.bytes += bytes + FRAME_BYTES;
        if self.bytes <= DRIVER_MAX_BYTES {
            return Ok(());
        }
        Err(Refusal::exhausted(format!(
            "with {label} of {bytes} bytes the volume is larger than the {DRIVER_MAX_BYTES} bytes that the driver takes: use several volumes"
        )))
    }
}

/// Where an object has one file and several keys: a JSON object of their texts, by key.
fn together(label: &str, entries: Vec<Entry>) -> Result<Vec<u8>, Refusal> {
    let texts = entries.into_iter().map(|Entry { key, value }| match String::from_utf8(value) {
        Ok(text) => Ok((key, Value::String(text))),
        Err(_) => Err(Refusal::invalid(format!(
            "{label}: the value of key {key:?} is not text, which JSON cannot hold: name the key with secretKey, so that it has a file of its own"
        ))),
    });
    let texts: Map<String, Value> = texts.collect::<Result<_, _>>()?;
    serde_json::to_vec(&texts).map_err(|_| Refusal::internal(format!("{label} cannot be written as JSON")))
}

#[cfg(test)]
mod tests;
