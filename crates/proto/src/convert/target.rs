//! Targets, and in which namespaces they may be.

use std::collections::BTreeSet;

use lockstep_core::binding::{CsiSource, CsiTarget, SecretTarget, SecretType, Target};
use lockstep_core::label::{check_key, check_value};
use lockstep_core::namespaces::AllowedNamespaces;

use super::selector::{selector, selector_message};
use super::{ProtocolError, wrong};
use crate::v1;

impl TryFrom<v1::Target> for Target {
    type Error = ProtocolError;
    fn try_from(message: v1::Target) -> Result<Self, ProtocolError> {
        match message.target.ok_or(ProtocolError::Missing("target"))? {
            v1::target::Target::Directory(d) => {
                Ok(Self::Directory { name: d.name.parse().map_err(|_| ProtocolError::Name("target.directory.name"))? })
            }
            v1::target::Target::Secret(s) => secret(s).map(Self::Secret),
            v1::target::Target::Csi(c) => csi(c).map(Self::Csi),
        }
    }
}

fn secret(message: v1::SecretTarget) -> Result<SecretTarget, ProtocolError> {
    let namespaces = message.namespaces.iter().map(|n| n.parse().map_err(|_| ProtocolError::Name("target.secret.namespaces")));
    let secret_type: SecretType = message.r#type.parse().map_err(wrong("target.secret.type"))?;
    for (key, value) in &message.labels {
        check_key(key).and_then(|()| check_value(value)).map_err(wrong("target.secret.labels"))?;
    }
    message.annotations.keys().try_for_each(|key| check_key(key)).map_err(wrong("target.secret.annotations"))?;
    Ok(SecretTarget {
        name: message.name.parse().map_err(|_| ProtocolError::Name("target.secret.name"))?,
        namespaces: namespaces.collect::<Result<_, _>>()?,
        namespace_selector: message.namespace_selector.map(|s| selector("target.secret.namespace_selector", s)).transpose()?,
        secret_type,
        labels: message.labels,
        annotations: message.annotations,
        immutable: message.immutable,
        adopt: message.adopt,
    })
}

fn csi(message: v1::CsiTarget) -> Result<CsiTarget, ProtocolError> {
    let namespaces = message.namespaces.iter().map(|n| n.parse().map_err(|_| ProtocolError::Name("target.csi.namespaces")));
    let accounts: BTreeSet<String> = message.service_accounts.into_iter().collect();
    Ok(CsiTarget {
        namespaces: namespaces.collect::<Result<_, _>>()?,
        service_accounts: accounts.try_into().map_err(|_| ProtocolError::Name("target.csi.service_accounts"))?,
    })
}

/// By which names pods may ask for what they mount; none for another target.
pub fn csi_sources(message: &v1::Target) -> Vec<CsiSource> {
    let Some(v1::target::Target::Csi(csi)) = &message.target else { return Vec::new() };
    csi.sources.iter().map(|source| CsiSource { paths: source.paths.clone(), keys: source.keys.clone() }).collect()
}

/// In which of the namespaces that a target selects its content may be. In none, for a target that selects none or whose message
/// does not say.
pub fn allowed_namespaces(message: &v1::Target) -> Result<AllowedNamespaces, ProtocolError> {
    let Some(v1::target::Target::Secret(secret)) = &message.target else { return Ok(AllowedNamespaces::default()) };
    let list = |rule: &v1::NamespaceRule| {
        rule.globs.iter().map(|g| g.parse().map_err(wrong("target.secret.allowed_namespaces"))).collect::<Result<Vec<_>, _>>()
    };
    Ok(secret.allowed_namespaces.iter().map(list).collect::<Result<Vec<_>, _>>()?.into())
}

/// A target as it is sent, with the namespaces that it may select, or the names by which pods may ask for what they mount.
pub fn target_message(target: Target, allowed: &AllowedNamespaces, sources: Vec<CsiSource>) -> v1::Target {
    let target = match target {
        Target::Directory { name } => v1::target::Target::Directory(v1::DirectoryTarget { name: name.into() }),
        Target::Csi(target) => v1::target::Target::Csi(csi_message(target, sources)),
        Target::Secret(target) => {
            let rules = allowed.lists().iter();
            v1::target::Target::Secret(v1::SecretTarget {
                name: target.name.into(),
                namespaces: target.namespaces.into_iter().map(Into::into).collect(),
                r#type: target.secret_type.as_str().to_owned(),
                labels: target.labels,
                annotations: target.annotations,
                immutable: target.immutable,
                adopt: target.adopt,
                namespace_selector: target.namespace_selector.as_ref().map(selector_message),
                allowed_namespaces: rules
                    .map(|globs| v1::NamespaceRule { globs: globs.iter().map(ToString::to_string).collect() })
                    .collect(),
            })
        }
    };
    v1::Target { target: Some(target) }
}

fn csi_message(target: CsiTarget, sources: Vec<CsiSource>) -> v1::CsiTarget {
    let accounts: BTreeSet<String> = target.service_accounts.into();
    v1::CsiTarget {
        namespaces: target.namespaces.into_iter().map(Into::into).collect(),
        service_accounts: accounts.into_iter().collect(),
        sources: sources.into_iter().map(|source| v1::CsiSource { paths: source.paths, keys: source.keys }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn target() -> SecretTarget {
        SecretTarget {
            namespace_selector: Some("team=shop,tier in (a,b),!legacy".parse().unwrap()),
            secret_type: SecretType::Tls,
            labels: BTreeMap::from([("app".to_owned(), "checkout".to_owned())]),
            annotations: BTreeMap::from([("example.com/note".to_owned(), "a note, with anything".to_owned())]),
            immutable: true,
            adopt: true,
            ..SecretTarget::new("a.b".parse().unwrap(), vec!["n".parse().unwrap()])
        }
    }

    fn rule(lists: &[&[&str]]) -> AllowedNamespaces {
        lists.iter().map(|l| l.iter().map(|g| g.parse().unwrap()).collect()).collect::<Vec<_>>().into()
    }

    #[test]
    fn what_is_sent_is_what_arrives() {
        let plain = SecretTarget::new("a".parse().unwrap(), vec!["n".parse().unwrap()]);
        let directory = Target::Directory { name: "d".parse().unwrap() };
        for (target, allowed) in [
            (Target::Secret(target()), rule(&[&["a-*", "b"], &["*-1"]])),
            (Target::Secret(plain), AllowedNamespaces::default()),
            (directory, AllowedNamespaces::default()),
        ] {
            let message = target_message(target.clone(), &allowed, Vec::new());
            assert_eq!(allowed_namespaces(&message).unwrap(), allowed);
            assert_eq!(Target::try_from(message).unwrap(), target);
        }
    }

    #[test]
    fn what_pods_may_mount_arrives_with_the_names_that_they_ask_by() {
        for accounts in [&["checkout", "cart"][..], &["*"]] {
            let accounts: BTreeSet<String> = accounts.iter().map(|name| (*name).to_owned()).collect();
            let namespaces = vec!["shop".parse().unwrap()];
            let target = Target::Csi(CsiTarget { namespaces, service_accounts: accounts.try_into().unwrap() });
            let keys = BTreeMap::from([("password".to_owned(), "PASSWORD".to_owned())]);
            let sources = vec![CsiSource { paths: vec!["kv/data/a".into(), "kv/a".into()], keys }];
            let message = target_message(target.clone(), &AllowedNamespaces::default(), sources.clone());
            assert_eq!(csi_sources(&message), sources);
            assert_eq!(Target::try_from(message).unwrap(), target);
        }
        let csi = v1::CsiTarget { namespaces: vec!["a".into()], service_accounts: vec!["A".into()], sources: Vec::new() };
        let error = Target::try_from(v1::Target { target: Some(v1::target::Target::Csi(csi)) }).unwrap_err();
        assert!(error.to_string().contains("target.csi.service_accounts"), "{error}");
    }

    #[test]
    fn what_breaks_the_protocol_is_refused_with_its_field() {
        assert!(Target::try_from(v1::Target::default()).is_err());
        let escape = v1::target::Target::Directory(v1::DirectoryTarget { name: "../etc".into() });
        assert!(Target::try_from(v1::Target { target: Some(escape) }).is_err());
        let good = || {
            let v1::target::Target::Secret(secret) =
                target_message(Target::Secret(target()), &rule(&[&["a"]]), Vec::new()).target.unwrap()
            else {
                unreachable!("a Secret")
            };
            secret
        };
        let bad = || ("bad key".to_owned(), "x".to_owned());
        let requirement = v1::Requirement { key: "a".into(), operator: "Is".into(), values: Vec::new() };
        let selector = v1::Selector { requirements: vec![requirement] };
        for (field, secret) in [
            ("name", v1::SecretTarget { name: "A".into(), ..good() }),
            ("namespaces", v1::SecretTarget { namespaces: vec!["a/b".into()], ..good() }),
            ("type", v1::SecretTarget { r#type: "Other".into(), ..good() }),
            ("type", v1::SecretTarget { r#type: String::new(), ..good() }),
            ("labels", v1::SecretTarget { labels: BTreeMap::from([bad()]), ..good() }),
            ("annotations", v1::SecretTarget { annotations: BTreeMap::from([bad()]), ..good() }),
            ("namespace_selector", v1::SecretTarget { namespace_selector: Some(selector), ..good() }),
        ] {
            let message = v1::Target { target: Some(v1::target::Target::Secret(secret)) };
            let error = Target::try_from(message).unwrap_err().to_string();
            assert!(error.contains(&format!("target.secret.{field} ")), "{field}: {error}");
        }
        let rule = v1::NamespaceRule { globs: vec!["a[b]".into()] };
        let secret = v1::SecretTarget { allowed_namespaces: vec![rule], ..good() };
        assert!(allowed_namespaces(&v1::Target { target: Some(v1::target::Target::Secret(secret)) }).is_err());
    }
}
