use lockstep_core::digest::{ClusterKey, DigestKeyId};
use lockstep_core::id::BindingId;
use lockstep_core::material::Material;
use lockstep_core::render::Rendered;
use lockstep_core::revision::{Epoch, Revision, Seq};
use uuid::Uuid;

use super::location::Location;
use crate::sink::{Owner, Stamp};
use crate::state::StateDir;
use crate::state::keyring::{KeyRing, Keys};

mod marks;
mod memory;
mod namespaces;
mod objects;
mod older_marks;
mod texts;

fn at(name: &str) -> Location {
    Location { namespace: "shop".parse().unwrap(), name: name.to_owned() }
}

fn owner(binding: u128) -> Owner {
    Owner { registry: Uuid::from_u128(9).into(), binding: id(binding) }
}

fn id(binding: u128) -> BindingId {
    Uuid::from_u128(binding).into()
}

fn key(number: u8) -> ClusterKey {
    ClusterKey::new(DigestKeyId::new(number.to_string()), [number; 32])
}

fn keys(numbers: &[u8]) -> Keys {
    let folder = tempfile::tempdir().unwrap();
    let mut ring = KeyRing::load(&StateDir::ensure(folder.path()).unwrap()).unwrap();
    for number in numbers {
        ring.learn(&key(*number)).unwrap();
    }
    ring.keys()
}

fn content(pairs: &[(&str, &str)]) -> Rendered {
    Rendered::of(pairs.iter().map(|(k, v)| ((*k).to_owned(), Material::new(v.as_bytes().to_vec())))).unwrap()
}

fn stamp(seq: u64, content: &Rendered) -> Stamp {
    Stamp { revision: Revision { epoch: Epoch::new(1), seq: Seq::new(seq) }, digest: key(1).digest(content) }
}
