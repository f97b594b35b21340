//! `POST /v1/clusters/{name}/join-tokens`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use chrono::{DateTime, Utc};
use lockstep_api::cluster::{JoinToken, JoinTokenRequest};
use lockstep_api::problem::Problem;
use lockstep_core::access::{Action, Place};
use lockstep_core::cluster::ClusterState;
use lockstep_core::id::{ClusterId, JoinTokenId};
use lockstep_store::change::{Entry, Writing};
use lockstep_store::{PgConnection, cluster, join_token};
use serde_json::json;

use super::Clusters;
use super::life::{removing, revoked};
use crate::app::App;
use crate::rest::body::Body;
use crate::rest::caller::Caller;
use crate::rest::name::Name;
use crate::rest::problem::ApiError;
use crate::rest::resource::subject;
use crate::token::{Kind, hash, mint};

/// How long a token lives if nobody says.
const TTL_DEFAULT_S: u32 = 3_600;
/// And at most.
const TTL_MAX_S: u32 = 86_400;

/// Make a join token
///
/// One agent joins with it, once. This answer is the only one that ever shows it; the registry keeps its hash.
#[utoipa::path(
    post,
    path = "/v1/clusters/{name}/join-tokens",
    operation_id = "mintJoinToken",
    tag = "clusters",
    params(("name" = String, Path, description = "The cluster's name")),
    request_body(content = Option<JoinTokenRequest>, description = "May be left out"),
    responses(
        (status = 201, description = "The token, and what the agent needs beside it", body = JoinToken),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn mint_join_token(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
    body: Body,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<JoinToken>), ApiError> {
    caller.permissions.require_anywhere(Action::Administer)?;
    let ttl = ttl_s(&body)?;
    let fresh = Fresh::make(&app)?;
    let mut writing = Writing::begin(&app.pool).await?;
    let cluster = cluster::get(writing.connection(), &name).await?;
    // Whoever has it can be the cluster, and is sent what is meant for it.
    caller.require(Action::Administer, Place::Cluster(&cluster.labels))?;
    match cluster.spec.state {
        ClusterState::Revoked => return Err(revoked(&name)),
        ClusterState::Removing => return Err(removing(&name)),
        ClusterState::Pending | ClusterState::Active | ClusterState::Paused => {}
    }
    let (id, expires_at) = fresh.register(writing.connection(), cluster.id.into(), ttl).await?;
    let detail = json!({"joinToken": id, "ttlSeconds": ttl, "expiresAt": expires_at});
    let entry = Entry { actor: caller.actor, kind: "JoinTokenMinted", subject: subject::<Clusters>(&name), detail };
    writing.commit(&entry).await?;
    Ok(fresh.answer(&app, name, expires_at))
}

/// How long the token is to live.
pub(super) fn ttl_s(body: &Body) -> Result<u32, ApiError> {
    let request = if body.is_empty() { JoinTokenRequest::default() } else { body.decode()? };
    let ttl = request.ttl_seconds.unwrap_or(TTL_DEFAULT_S);
    if !(1..=TTL_MAX_S).contains(&ttl) {
        return Err(ApiError::invalid_field("ttlSeconds", format!("{ttl} is not between 1 and {TTL_MAX_S} (a day)")));
    }
    Ok(ttl)
}

/// A token that nobody has seen yet.
pub(super) struct Fresh {
    token: String,
    pin: String,
}

impl Fresh {
    pub(super) fn make(app: &App) -> Result<Self, ApiError> {
        let pin = app.authority.pin().map_err(ApiError::internal)?;
        Ok(Self { token: mint(Kind::Join).map_err(ApiError::internal)?, pin })
    }

    /// Registers its hash.
    pub(super) async fn register(
        &self,
        connection: &mut PgConnection,
        cluster: ClusterId,
        ttl_s: u32,
    ) -> Result<(JoinTokenId, DateTime<Utc>), ApiError> {
        let life = Duration::from_secs(u64::from(ttl_s));
        Ok(join_token::insert(connection, cluster, &hash(&self.token), life).await?)
    }

    /// The one answer that shows it.
    pub(super) fn answer(
        self,
        app: &App,
        cluster: String,
        expires_at: DateTime<Utc>,
    ) -> (StatusCode, [(HeaderName, &'static str); 1], Json<JoinToken>) {
        let advertise = &app.config.advertise;
        let answer = JoinToken {
            cluster,
            token: self.token,
            expires_at,
            pin: self.pin,
            join_addresses: advertise.join.clone(),
            agent_addresses: advertise.agents.clone(),
        };
        (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(answer))
    }
}
