//! REST: where people and their tools write what is wanted and read what is.
//!
//! A request's way: [`unread`] (its connection outlives it), [`observe`] (one span, one count), [`limit`] (how many at once, for how long, how
//! large), [`caller`] (who, and what he may do), [`refusals`] (what he was refused), then an endpoint, a file each. Projects, clusters, sources, grants, bindings and role assignments share five endpoints, generic over
//! [`resource::Resource`]. Every failure is a [`problem::ApiError`], and [`code`] lists the words that programs match on.

mod binding;
mod body;
mod caller;
mod certificate_authority;
mod changes;
mod cluster;
mod code;
mod condition;
mod deliveries;
mod docs;
mod epoch;
mod grant;
mod health;
mod holders;
mod limit;
mod log_filter;
mod login_methods;
mod logins;
mod maintenance_window;
mod meant;
mod metrics;
mod name;
mod observe;
mod openapi;
mod placements;
mod precondition;
mod problem;
mod project;
mod query;
mod records;
mod refusals;
mod resource;
mod role_assignment;
mod rotation;
mod secrets;
mod source;
mod token;
mod unread;
mod unrouted;
mod whoami;
mod why;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_extractor_with_state, from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};
use axum::{Extension, Router};

use crate::app::App;
use caller::Caller;
use logins::Logins;

pub use login_methods::of as login_methods;
pub use logins::Peer;
pub use openapi::document;

/// The REST API.
pub fn router(app: App) -> Router {
    let v1 = Router::new()
        .merge(resource::routes::<project::Projects>())
        .merge(resource::routes::<cluster::Clusters>())
        .merge(resource::routes::<source::Sources>())
        .merge(resource::routes::<grant::Grants>())
        .merge(resource::routes::<binding::Bindings>())
        .merge(resource::routes::<role_assignment::RoleAssignments>())
        .merge(resource::routes::<rotation::Rotations>())
        .merge(resource::routes::<maintenance_window::MaintenanceWindows>())
        .route("/clusters/{name}/pause", post(cluster::pause::pause))
        .route("/clusters/{name}/resume", post(cluster::resume::resume))
        .route("/clusters/{name}/revoke", post(cluster::revoke::revoke))
        .route("/clusters/{name}/rejoin", post(cluster::rejoin::rejoin))
        .route("/clusters/{name}/confirm-deletions", post(cluster::confirm_deletions::confirm_deletions))
        .route(
            "/clusters/{name}/join-tokens",
            post(cluster::mint_join_token::mint_join_token).delete(cluster::revoke_join_tokens::revoke_join_tokens),
        )
        .route("/bindings/{name}/rollback", post(binding::rollback::rollback))
        .route("/bindings/{name}/unpin", post(binding::unpin::unpin))
        .route("/bindings/{name}/sync", post(binding::sync::sync))
        .route("/sources/{name}/check", post(source::check::check_source))
        .route("/sources/{name}/policy", get(source::policy::show_policy))
        .route("/rotations/{name}/run", post(rotation::run::run))
        .route("/rotations/{name}/pause", post(rotation::pause::pause))
        .route("/rotations/{name}/resume", post(rotation::resume::resume))
        .route("/rotations/{name}/runs", get(rotation::runs::list_runs))
        .route("/secrets", get(secrets::list_secrets))
        .route("/placements", get(placements::list_placements))
        .route("/deliveries", get(deliveries::list_deliveries))
        .route("/holders", get(holders::list_holders))
        .route("/tokens", get(token::list::list_tokens).post(token::mint::mint_token))
        .route("/tokens/{name}", delete(token::revoke::revoke_token))
        .route("/why", get(why::explain))
        .route("/changes", get(changes::list_changes))
        .route("/history/records", get(records::list_records))
        .route("/refusals", get(refusals::list_refusals))
        .route("/epoch", get(epoch::show_epoch).post(epoch::open::open_epoch))
        .route("/certificateauthority", get(certificate_authority::show_certificate_authority))
        .route(
            "/logfilter",
            get(log_filter::show_log_filter).put(log_filter::set_log_filter).delete(log_filter::reset_log_filter),
        )
        .route("/caller", get(whoami::show_caller))
        .route_layer(from_fn_with_state(app.clone(), refusals::note))
        // Every route above asks who is calling before it does anything else; none can forget it.
        .route_layer(from_extractor_with_state::<Caller, App>(app.clone()))
        .layer(Extension(Logins::new(&app.config.rest, app.metrics.clone())));
    Router::new()
        .nest("/v1", v1)
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/login-methods", get(login_methods::login_methods))
        .route("/openapi.json", get(openapi::serve))
        .route("/docs", get(docs::to_the_page))
        .route("/docs/{*file}", get(docs::file))
        .route("/docs/", get(docs::page))
        .fallback(unrouted::no_such_path)
        .method_not_allowed_fallback(unrouted::method_not_allowed)
        .layer(DefaultBodyLimit::max(limit::BODY_MAX_BYTES))
        .layer(from_fn_with_state(limit::Limits::default(), limit::limit))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .layer(from_fn(unread::read_the_rest))
        .with_state(app)
}

/// What a monitoring system asks, for a listener without TLS and without callers.
pub fn observability(app: App) -> Router {
    Router::new()
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .fallback(unrouted::no_such_path)
        .with_state(app)
}
