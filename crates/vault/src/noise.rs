//! What log filters must keep quiet.

/// Tracing targets that every log filter must cap at `off`, whatever level an operator asks for.
///
/// rustify and vaultrs log the errors of Vault's answers as they are, and the `Debug` of their errors holds whole bodies; the
/// `Debug` of their requests and middleware holds secret ids and tokens. reqwest, hyper, h2 and rustls trace headers, URLs and
/// bytes on the wire. This crate only borrows descriptions of requests from the first two and never executes through them, so
/// this list is the second line of defence: for a later version of theirs, and for who uses them anew.
pub const NOISY_TARGETS: &[&str] =
    &["rustify", "rustify_derive", "vaultrs", "reqwest", "hyper", "hyper_util", "hyper_rustls", "h2", "rustls", "tokio_rustls"];
