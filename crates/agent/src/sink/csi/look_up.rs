//! From what a pod asks for to what it may have. Pure.

use aws_lc_rs::digest::{SHA256, digest};

use super::entry::Entry;
use super::wanted::{Asker, Found, NotGiven, Source, Wanted};

/// The answer, from everything that there is.
pub(super) fn look_up<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    asker: Asker<'_>,
    wanted: &Wanted,
) -> Result<Found, NotGiven> {
    let mut of_pod = entries
        .filter(|entry| is_asked_for(entry, wanted) && entry.target.allows(asker.namespace, asker.service_account))
        .peekable();
    if of_pod.peek().is_none() {
        return Err(denied(asker, wanted));
    }
    let mut found: Option<(Found, &str)> = None;
    let mut nothing = None;
    for entry in of_pod {
        match (of_entry(entry, wanted), &found) {
            (Ok(here), None) => found = Some((here, &entry.name)),
            (Ok(here), Some((there, name))) if !here.entries().eq(there.entries()) => {
                return Err(NotGiven::Ambiguous(format!(
                    "bindings {name:?} and {:?} both deliver {}, and not the same: name one of them with `binding:`",
                    entry.name, wanted.source
                )));
            }
            (Ok(_), Some(_)) => {}
            (Err(why), _) => nothing = Some(why),
        }
    }
    found.map(|(found, _)| found).ok_or_else(|| nothing.unwrap_or_else(|| denied(asker, wanted)))
}

fn is_asked_for(entry: &Entry, wanted: &Wanted) -> bool {
    match &wanted.source {
        Source::Binding(name) => entry.name == *name,
        Source::Path(path) => entry.sources.iter().any(|source| source.is_at(path)),
    }
}

/// Not told apart from what is not there: who may not have it does not learn that it is.
fn denied(asker: Asker<'_>, wanted: &Wanted) -> NotGiven {
    let Asker { namespace, service_account } = asker;
    NotGiven::Denied(format!(
        "no binding gives {} to service account {service_account} of namespace {namespace} in this cluster: one with it in \
         spec.target.csi must select the cluster, and a grant must allow it (`lockstep access why` tells)",
        wanted.source
    ))
}

fn of_entry(entry: &Entry, wanted: &Wanted) -> Result<Found, NotGiven> {
    let pairs = match &wanted.source {
        Source::Binding(_) => of_content(entry, wanted),
        Source::Path(path) => of_path(entry, path, wanted),
    };
    let pairs: Vec<(&str, &str)> = pairs.into_iter().filter(|(_, key)| entry.content.get(key).is_some()).collect();
    if pairs.is_empty() {
        return Err(no_such_key(entry, wanted));
    }
    let version = match pairs.as_slice() {
        [(_, key)] if wanted.key.is_some() => entry.versions.get(*key).cloned().unwrap_or_default(),
        several => together(several.iter().map(|(asked, key)| (*asked, entry.versions.get(*key)))),
    };
    let keys = pairs.into_iter().map(|(asked, key)| (asked.to_owned(), key.to_owned())).collect();
    Ok(Found { version, content: entry.content.clone(), keys, is_stale: false })
}

/// The names that were asked for, each with the content's key.
fn of_content<'a>(entry: &'a Entry, wanted: &'a Wanted) -> Vec<(&'a str, &'a str)> {
    match &wanted.key {
        Some(key) => vec![(key, key)],
        None => entry.content.iter().map(|(key, _)| (key, key)).collect(),
    }
}

fn of_path<'a>(entry: &'a Entry, path: &str, wanted: &'a Wanted) -> Vec<(&'a str, &'a str)> {
    let sources = entry.sources.iter().filter(|source| source.is_at(path));
    let of_source = sources.flat_map(|source| match &wanted.key {
        Some(key) => source.content_key(key).map(|of| (key.as_str(), of)).into_iter().collect(),
        None if source.keys.is_empty() => of_content(entry, wanted),
        None => source.keys.iter().map(|(key, of)| (key.as_str(), of.as_str())).collect::<Vec<_>>(),
    });
    let mut pairs: Vec<_> = of_source.collect();
    pairs.sort_unstable();
    pairs.dedup_by_key(|(asked, _)| *asked);
    pairs
}

fn no_such_key(entry: &Entry, wanted: &Wanted) -> NotGiven {
    let has: Vec<&str> = entry.content.iter().map(|(key, _)| key).collect();
    let key = wanted.key.as_deref().unwrap_or_default();
    NotGiven::NoSuchKey(format!(
        "binding {:?} has no key {key:?} of {}: it delivers {}; correct secretKey, or the binding's items",
        entry.name,
        wanted.source,
        has.join(", ")
    ))
}

/// Of versions that show nothing themselves.
fn together<'a>(versions: impl Iterator<Item = (&'a str, Option<&'a String>)>) -> String {
    let mut text = String::new();
    for (name, version) in versions {
        text.extend([name, "=", version.map_or("", String::as_str), "\n"]);
    }
    hex::encode(&digest(&SHA256, text.as_bytes()).as_ref()[..16])
}

#[cfg(test)]
mod tests;
