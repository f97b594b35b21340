//! `GET /docs/`: the API's description as a page for people, by Swagger UI. All of it is in the binary: it works where there is no
//! Internet, and tells nobody who looks.

use std::sync::{Arc, LazyLock};

use axum::extract::Path;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Redirect, Response};
use utoipa_swagger_ui::Config;

use super::code::Code;
use super::problem::ApiError;

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    // Its validator would send the description to somebody else. A token that is typed in is forgotten with the page.
    let config = Config::from("/openapi.json").validator_url("none").persist_authorization(false).try_it_out_enabled(false);
    Arc::new(config.display_operation_id(true).filter(true).doc_expansion("list"))
});

/// Nothing from elsewhere, and nobody else's page around it. Swagger UI sets styles on its elements, and has pictures in its styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// The page's files are named relative to a folder.
pub(crate) async fn to_the_page() -> Redirect {
    Redirect::permanent("/docs/")
}

pub(crate) async fn page() -> Result<Response, ApiError> {
    serve("")
}

pub(crate) async fn file(Path(file): Path<String>) -> Result<Response, ApiError> {
    serve(&file)
}

fn serve(file: &str) -> Result<Response, ApiError> {
    match utoipa_swagger_ui::serve(file, CONFIG.clone()) {
        Ok(Some(found)) => Ok((HEADERS, [(header::CONTENT_TYPE, found.content_type)], found.bytes.into_owned()).into_response()),
        Ok(None) => Err(ApiError::new(Code::NoSuchPath, format!("the pages at /docs/ have no file {file}"))),
        Err(error) => Err(ApiError::internal(anyhow::anyhow!("{error}"))),
    }
}
