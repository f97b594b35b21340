//! Manifests as people write them: files, documents, and every mistake with the line it is in.

mod check;
mod document;
pub(crate) mod file;
mod lines;
mod mistake;
mod node;
pub(crate) mod object;
mod read;
mod shape;

pub(crate) use check::Depth;
pub(crate) use read::{mistakes_in, read, read_foreign};
