//! Which secret a person means.

use lockstep_core::access::Reach;
use lockstep_store::secret::{self, Listed, Said};
use lockstep_store::{PgConnection, StoreError};

use super::code::Code;
use super::problem::ApiError;

/// The most that are named where several may be meant.
const NAMED_MAX: usize = 10;

/// The one secret that is meant, or which ones may be.
pub(super) async fn secret(connection: &mut PgConnection, said: Said<'_>, reach: &Reach) -> Result<Listed, ApiError> {
    let mut meant = secret::meant(connection, said, reach).await?;
    // Nobody can say more than all of it.
    let whole = meant.iter().position(|one| full(one) == said.text).filter(|_| is_one_whole(&meant, said.text));
    match (whole, meant.len()) {
        (Some(at), _) => Ok(meant.swap_remove(at)),
        (None, 1) => Ok(meant.remove(0)),
        (None, 0) => Err(StoreError::NotFound { kind: "secret", name: named(said) }.into()),
        (None, _) => Err(ambiguous(&meant, said.text)),
    }
}

/// As in `corp/kv/payments/db`.
pub(super) fn full(listed: &Listed) -> String {
    format!("{}/{}/{}", listed.source, listed.record.mount, listed.record.path)
}

fn is_one_whole(meant: &[Listed], text: &str) -> bool {
    meant.iter().filter(|one| full(one) == text).count() == 1
}

fn named(Said { text, source, mount }: Said<'_>) -> String {
    let of = |what: &str, name: Option<&str>| name.map(|name| format!(" of {what} {name}")).unwrap_or_default();
    format!("{text}{}{}", of("mount", mount), of("source", source))
}

fn ambiguous(meant: &[Listed], text: &str) -> ApiError {
    let one = |one: &Listed| format!("{} (source {}, mount {})", full(one), one.source, one.record.mount);
    let all: Vec<String> = meant.iter().take(NAMED_MAX).map(one).collect();
    let more = if meant.len() > NAMED_MAX { " and others" } else { "" };
    let detail = format!(
        "secret: {text:?} may mean several: {}{more}: say which with all of its name, or its source and mount",
        all.join(", ")
    );
    ApiError::new(Code::InvalidQuery, detail)
}
