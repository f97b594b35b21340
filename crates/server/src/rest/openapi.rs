//! `GET /openapi.json`: the API's description, made from the code that serves it.
//!
//! A copy is checked in as `docs/openapi.json`, so that every change of the API shows in review.

use std::sync::LazyLock;

use axum::http::{HeaderName, header};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::code::Code;
use super::resource::document as resource;
use super::{
    binding, certificate_authority, changes, cluster, deliveries, epoch, grant, health, holders, log_filter, login_methods,
    maintenance_window, placements, project, records, refusals, role_assignment, rotation, secrets, source, token, whoami, why,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Lockstep", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    tags(
        (name = "state", description = "What is: read-only"),
        (name = "tokens", description = "API tokens"),
        (name = "history", description = "What happened, and who is asking"),
        (name = "login", description = "How to get a token: without one"),
        (name = "health", description = "Whether this replica can serve: without a token"),
    ),
    security(("token" = [])),
    paths(
        cluster::pause::pause,
        cluster::resume::resume,
        cluster::revoke::revoke,
        cluster::rejoin::rejoin,
        cluster::confirm_deletions::confirm_deletions,
        cluster::mint_join_token::mint_join_token,
        cluster::revoke_join_tokens::revoke_join_tokens,
        binding::rollback::rollback,
        binding::unpin::unpin,
        binding::sync::sync,
        source::check::check_source,
        source::policy::show_policy,
        rotation::run::run,
        rotation::pause::pause,
        rotation::resume::resume,
        rotation::runs::list_runs,
        secrets::list_secrets,
        placements::list_placements,
        deliveries::list_deliveries,
        holders::list_holders,
        why::explain,
        changes::list_changes,
        records::list_records,
        refusals::list_refusals,
        token::mint::mint_token,
        token::list::list_tokens,
        token::revoke::revoke_token,
        epoch::show_epoch,
        epoch::open::open_epoch,
        certificate_authority::show_certificate_authority,
        log_filter::show_log_filter,
        log_filter::set_log_filter,
        log_filter::reset_log_filter,
        whoami::show_caller,
        health::healthz,
        health::readyz,
        login_methods::login_methods,
        serve,
    ),
)]
struct Described;

static DOCUMENT: LazyLock<String> = LazyLock::new(write);

/// This description
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "health",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object)),
)]
pub(crate) async fn serve() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, "application/json")], document())
}

/// The API's description, as JSON.
pub fn document() -> &'static str {
    &DOCUMENT
}

fn write() -> String {
    let mut document = Described::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document.info.description = Some(description());
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API token")).build();
    document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(token));
    resource::describe::<project::Projects>(&mut document);
    resource::describe::<cluster::Clusters>(&mut document);
    resource::describe::<source::Sources>(&mut document);
    resource::describe::<grant::Grants>(&mut document);
    resource::describe::<binding::Bindings>(&mut document);
    resource::describe::<role_assignment::RoleAssignments>(&mut document);
    resource::describe::<rotation::Rotations>(&mut document);
    resource::describe::<maintenance_window::MaintenanceWindows>(&mut document);
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    rename(text)
}

fn description() -> String {
    let codes = Code::ALL.map(|c| format!("- `{}` ({}): {}", c.as_str(), c.status().as_u16(), c.title()));
    format!(
        "Keeps the secrets of many Kubernetes clusters in step with Vault.\n\nBodies are manifests: `apiVersion`, `kind`, `metadata`, \
         `spec`, `status`. Lists come in pages: as long as `metadata.continue` is there, give it back as `continue`. Failures are RFC 9457 \
         problems with one of these words as `code`:\n\n{}",
        codes.join("\n")
    )
}

/// Gives generic lists the names that people use: `List_Secret` is a `SecretList`.
fn rename(mut text: String) -> String {
    for kind in ["Secret", "Placement", "Delivery", "Change", "Refusal", "RotationRun", "Token"] {
        text = text.replace(&format!("List_{kind}\""), &format!("{kind}List\""));
    }
    text
}
