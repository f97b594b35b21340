use super::*;
use lockstep_core::digest::{ClusterKey, Digest, DigestKeyId};
use lockstep_core::material::Material;
use lockstep_core::render::Rendered;
use lockstep_core::revision::{Epoch, Revision, Seq};

use crate::state::StateDir;
use crate::state::keyring::KeyRing;

fn content(value: &str) -> (Digests, Digest) {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = KeyRing::load(&StateDir::ensure(folder.path()).unwrap()).unwrap();
    let key = ClusterKey::new(DigestKeyId::new("k".into()), [1; 32]);
    ring.learn(&key).unwrap();
    let content = Rendered::of([("K".to_owned(), Material::new(value.as_bytes().to_vec()))]).unwrap();
    (ring.keys().digests(&content), key.digest(&content))
}

/// Content as its own mark says it.
fn delivered(seq: u64, value: &str) -> Observed {
    let (digests, digest) = content(value);
    Observed::Content(digests, Stamp { revision: Revision { epoch: Epoch::new(1), seq: Seq::new(seq) }, digest })
}

fn name(observed: &Observed) -> String {
    match observed {
        Observed::Content(_, stamp) => format!("Content {}", stamp.revision.seq),
        Observed::Mixed(stamp) => format!("Mixed {}", stamp.revision.seq),
        other => format!("{other:?}"),
    }
}

#[test]
fn what_content_brings_back_comes_first_and_what_was_told_last() {
    use Observed::{Absent, Altered, Foreign, Incomplete, Nowhere, Refused};
    for (all, want) in [
        (vec![], "Nowhere"),
        (vec![Nowhere, delivered(5, "a")], "Content 5"),
        (vec![delivered(5, "a"), delivered(6, "a")], "Content 5"),
        (vec![Absent, Absent], "Absent"),
        (vec![Absent, Foreign], "Altered"),
        (vec![Incomplete, Altered], "Altered"),
        (vec![Foreign, Incomplete, delivered(5, "a")], "Incomplete"),
        (vec![Refused, Foreign], "Foreign"),
        (vec![delivered(6, "b"), Refused], "Refused"),
        // A delivery that came to some places only is no drift: each place has what its own mark says.
        (vec![delivered(5, "a"), delivered(6, "b"), delivered(4, "c")], "Mixed 6"),
    ] {
        let text = format!("{all:?}");
        assert_eq!(name(&Observed::together(all)), want, "{text}");
    }
}

#[test]
fn content_that_its_own_mark_does_not_say_was_altered() {
    let Observed::Content(_, stamp) = delivered(5, "a") else { unreachable!() };
    let edited = Observed::Content(content("b").0, stamp.clone());
    assert_eq!(name(&edited.or_altered()), "Altered");
    assert_eq!(name(&delivered(5, "a").or_altered()), "Content 5");
    let unknown = Stamp { digest: Digest { key: DigestKeyId::new("other".into()), ..stamp.digest }, ..stamp };
    assert_eq!(name(&Observed::Content(content("b").0, unknown).or_altered()), "Content 5");
}
