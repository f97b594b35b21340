//! What a request asks for, parsed once. Of what is wrong only the field is named.

use lockstep_proto::node::object::Source as FromNode;
use lockstep_proto::node::{Object, ReadRequest};
use zeroize::Zeroizing;

use crate::sink::csi::{Source, Wanted};
use crate::volumes::refusal::Refusal;
use crate::volumes::review::Pod;

/// The most objects of one volume.
const OBJECTS_MAX: usize = 64;
/// Kubernetes' own bound for names.
const NAME_MAX_BYTES: usize = 253;
const PATH_MAX_BYTES: usize = 1024;

/// One read.
pub(super) struct Asked {
    /// As the request says: its token must say the same.
    pub(super) pod: Pod,
    pub(super) token: Zeroizing<String>,
    pub(super) objects: Vec<Wanted>,
}

impl Asked {
    pub(super) fn parse(request: ReadRequest) -> Result<Self, Refusal> {
        let token = Zeroizing::new(request.pod_token);
        let pod = request.pod.ok_or_else(|| Refusal::Invalid("the request says no pod".to_owned()))?;
        let pod = Pod {
            namespace: text("pod.namespace", pod.namespace, NAME_MAX_BYTES)?,
            name: text("pod.name", pod.name, NAME_MAX_BYTES)?,
            uid: text("pod.uid", pod.uid, NAME_MAX_BYTES)?,
            service_account: text("pod.service_account", pod.service_account, NAME_MAX_BYTES)?,
        };
        if token.is_empty() {
            return Err(Refusal::Unauthenticated(
                "the request has no token of the pod: the driver's CSIDriver object must list audience lockstep in tokenRequests"
                    .to_owned(),
            ));
        }
        let count = request.objects.len();
        if !(1..=OBJECTS_MAX).contains(&count) {
            return Err(Refusal::Invalid(format!("the volume names {count} objects: it may have 1 to {OBJECTS_MAX}")));
        }
        let objects = request.objects.into_iter().map(object).collect::<Result<_, _>>()?;
        Ok(Self { pod, token, objects })
    }
}

fn object(object: Object) -> Result<Wanted, Refusal> {
    let source = match object.source {
        None => return Err(Refusal::Invalid("an object names neither a binding nor a path".to_owned())),
        Some(FromNode::Binding(name)) => Source::Binding(text("binding", name, NAME_MAX_BYTES)?),
        Some(FromNode::Path(path)) => Source::Path(text("path", path, PATH_MAX_BYTES)?),
    };
    let key = (!object.key.is_empty()).then(|| text("key", object.key, PATH_MAX_BYTES)).transpose()?;
    Ok(Wanted { source, key })
}

/// It is logged: bounded, on one line, and something.
fn text(field: &str, text: String, max_bytes: usize) -> Result<String, Refusal> {
    if text.is_empty() || text.len() > max_bytes || text.chars().any(char::is_control) {
        return Err(Refusal::Invalid(format!("{field} must have 1 to {max_bytes} bytes without control characters")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_proto::node::Pod;

    fn request(objects: Vec<Object>) -> ReadRequest {
        let text = str::to_owned;
        let pod = Pod { namespace: text("shop"), name: text("web-1"), uid: text("u-1"), service_account: text("web") };
        ReadRequest { pod: Some(pod), pod_token: text("canary"), objects }
    }

    fn of_path(path: &str, key: &str) -> Object {
        Object { source: Some(FromNode::Path(path.to_owned())), key: key.to_owned() }
    }

    #[test]
    fn what_is_asked_for_is_a_binding_or_a_path_with_one_key_or_all() {
        let binding = Object { source: Some(FromNode::Binding("db".to_owned())), key: "user".to_owned() };
        let asked = Asked::parse(request(vec![binding, of_path("kv/db", "")])).unwrap();
        let wanted = |source, key: Option<&str>| Wanted { source, key: key.map(str::to_owned) };
        assert_eq!(
            asked.objects,
            [wanted(Source::Binding("db".to_owned()), Some("user")), wanted(Source::Path("kv/db".to_owned()), None)]
        );
    }

    #[test]
    fn what_is_wrong_is_said_by_field_and_nothing_of_it_is_repeated() {
        let ok = || vec![of_path("kv/db", "")];
        let with = |change: fn(&mut ReadRequest)| {
            let mut request = request(ok());
            change(&mut request);
            request
        };
        for (request, part) in [
            (with(|r| r.pod = None), "no pod"),
            (with(|r| r.pod.as_mut().unwrap().uid.clear()), "pod.uid"),
            (with(|r| r.pod.as_mut().unwrap().name = "canary\n".to_owned()), "pod.name"),
            (with(|r| r.pod.as_mut().unwrap().namespace = "canary".repeat(50)), "pod.namespace"),
            (with(|r| r.objects.clear()), "names 0 objects"),
            (request(vec![of_path("kv/db", ""); 65]), "names 65 objects"),
            (request(vec![of_path("", "")]), "path"),
            (request(vec![of_path("kv/db", "canary\u{7}")]), "key"),
            (request(vec![Object::default()]), "neither"),
        ] {
            let Err(Refusal::Invalid(why)) = Asked::parse(request) else { panic!("{part}") };
            assert!(why.contains(part) && !why.contains("canary"), "{why}");
        }
        assert!(Asked::parse(request(vec![of_path("kv/db", ""); 64])).is_ok());
        assert!(matches!(Asked::parse(with(|r| r.pod_token.clear())), Err(Refusal::Unauthenticated(_))));
    }
}
