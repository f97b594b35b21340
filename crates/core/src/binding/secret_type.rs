//! Kubernetes' types of Secrets, and what each asks of its content.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::material::Material;
use crate::render::{RenderError, Rendered};

/// Kubernetes' types of Secrets, as far as content can be delivered to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum SecretType {
    /// `Opaque`: any keys.
    #[default]
    Opaque,
    /// `kubernetes.io/tls`: `tls.crt` and `tls.key`.
    Tls,
    /// `kubernetes.io/dockerconfigjson`: `.dockerconfigjson`.
    DockerConfigJson,
    /// `kubernetes.io/basic-auth`: `username` or `password`.
    BasicAuth,
    /// `kubernetes.io/ssh-auth`: `ssh-privatekey`.
    SshAuth,
}

/// A word that is no type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a type of Secret that can be delivered: {list}", list = SecretType::ALL.map(SecretType::as_str).join(", "))]
pub struct UnknownSecretType(String);

const MISSING: &str =
    ", which is not there: map a key of the secret to that name in spec.items[].keys, or make it in spec.templates";
const NOT_CERTIFICATE: &str = " as a PEM certificate, and what is there is none (no -----BEGIN CERTIFICATE----- block): correct it in Vault, or check spec.items[].keys";
const NOT_PRIVATE_KEY: &str = " as a PEM private key, and what is there is none (no -----BEGIN … PRIVATE KEY----- block): correct it in Vault, or check spec.items[].keys";
const NOT_DOCKER_CONFIG: &str =
    " as a JSON object with an object \"auths\", and what is there is none: correct it in Vault, or make it in spec.templates";

impl SecretType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Opaque, Self::Tls, Self::DockerConfigJson, Self::BasicAuth, Self::SshAuth];

    /// Kubernetes' word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opaque => "Opaque",
            Self::Tls => "kubernetes.io/tls",
            Self::DockerConfigJson => "kubernetes.io/dockerconfigjson",
            Self::BasicAuth => "kubernetes.io/basic-auth",
            Self::SshAuth => "kubernetes.io/ssh-auth",
        }
    }

    /// Whether content is what this type asks for: what Kubernetes would refuse, and what its readers could not use.
    pub fn check(self, content: &Rendered) -> Result<(), RenderError> {
        match self {
            Self::Opaque => Ok(()),
            Self::Tls => {
                let (certificate, key) = (self.needed(content, "tls.crt")?, self.needed(content, "tls.key")?);
                self.ensure(is_pem(certificate, "CERTIFICATE"), "key tls.crt", NOT_CERTIFICATE)?;
                self.ensure(is_pem(key, "PRIVATE KEY"), "key tls.key", NOT_PRIVATE_KEY)
            }
            Self::DockerConfigJson => {
                let config = self.needed(content, ".dockerconfigjson")?;
                self.ensure(is_docker_config(config), "key .dockerconfigjson", NOT_DOCKER_CONFIG)
            }
            Self::BasicAuth => {
                let any = ["username", "password"].into_iter().any(|key| content.get(key).is_some());
                self.ensure(any, "key username or password, or both", MISSING)
            }
            Self::SshAuth => self.needed(content, "ssh-privatekey").map(|_| ()),
        }
    }

    fn needed<'a>(self, content: &'a Rendered, key: &str) -> Result<&'a Material, RenderError> {
        content.get(key).ok_or_else(|| self.unfit(&format!("key {key}"), MISSING))
    }

    fn ensure(self, holds: bool, what: &str, problem: &'static str) -> Result<(), RenderError> {
        if holds { Ok(()) } else { Err(self.unfit(what, problem)) }
    }

    fn unfit(self, what: &str, problem: &'static str) -> RenderError {
        RenderError::Unfit { secret_type: self, what: what.to_owned(), problem }
    }
}

/// Whether there is a PEM block whose label ends with `label`, begun and ended. There may be text before it, as some tools write.
fn is_pem(material: &Material, label: &str) -> bool {
    let bytes = material.expose();
    let find =
        |from: usize, what: &[u8]| bytes[from..].windows(what.len()).position(|w| w == what).map(|at| from + at + what.len());
    let mut from = 0;
    while let Some(begun) = find(from, b"-----BEGIN ") {
        let Some(ended) = find(begun, b"-----").map(|end| end - 5) else { return false };
        let found = &bytes[begun..ended];
        let whole = [b"-----END ", found, b"-----"].concat();
        if found.ends_with(label.as_bytes()) && find(ended, &whole).is_some() {
            return true;
        }
        from = ended;
    }
    false
}

/// Whether it is a JSON object with an object `auths`. No part of it is kept, and why it is none is not told: that would quote it.
fn is_docker_config(material: &Material) -> bool {
    let mut json = serde_json::Deserializer::from_slice(material.expose());
    let has_auths = json.deserialize_map(DockerConfig).unwrap_or(false);
    has_auths && json.end().is_ok()
}

/// Answers whether the object has an object `auths`.
struct DockerConfig;

impl<'de> Visitor<'de> for DockerConfig {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Docker configuration")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut has_auths = false;
        while let Some(is_auths) = map.next_key::<IsAuths>()? {
            if is_auths.0 {
                map.next_value::<AnyObject>()?;
                has_auths = true;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(has_auths)
    }
}

/// Whether a key is `auths`.
struct IsAuths(bool);

impl<'de> Deserialize<'de> for IsAuths {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Key;
        impl Visitor<'_> for Key {
            type Value = IsAuths;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E: de::Error>(self, key: &str) -> Result<IsAuths, E> {
                Ok(IsAuths(key == "auths"))
            }
        }
        deserializer.deserialize_str(Key)
    }
}

/// An object, whatever is in it.
struct AnyObject;

impl<'de> Deserialize<'de> for AnyObject {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = AnyObject;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AnyObject, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(AnyObject)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl fmt::Display for SecretType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<SecretType> for &'static str {
    fn from(secret_type: SecretType) -> Self {
        secret_type.as_str()
    }
}

impl FromStr for SecretType {
    type Err = UnknownSecretType;
    fn from_str(text: &str) -> Result<Self, UnknownSecretType> {
        Self::ALL.into_iter().find(|t| t.as_str() == text).ok_or_else(|| UnknownSecretType(text.to_owned()))
    }
}

impl TryFrom<String> for SecretType {
    type Error = UnknownSecretType;
    fn try_from(text: String) -> Result<Self, UnknownSecretType> {
        text.parse()
    }
}

#[cfg(test)]
mod tests;
