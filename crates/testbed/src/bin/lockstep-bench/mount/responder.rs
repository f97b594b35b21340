//! The bare responder, which Lockstep's figures are divided by: it asks the API server whose the pod's token is, and gives everybody the same files.
//!
//! It asks with the agent's service account, so that the API server looks at the same policies. What it does not do: there is no second process behind
//! it and no TLS to one, nobody shows a token of a node, the class is not read, nothing is looked up, compared, counted or logged.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::future::BoxFuture;
use lockstep_testbed::Fleet;
use reqwest::{Certificate, Client};
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::pods::AUDIENCE;
use super::provider::{MountRequest, MountResponse, Provider, SERVICE};

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(10);

/// One gRPC service, for any number of connections.
#[derive(Clone)]
pub(super) struct Responder {
    answer: MountResponse,
    reviewer: Option<Arc<Reviewer>>,
}

impl Responder {
    /// Serves on this socket until the benchmark ends; answers a connection to it.
    pub(super) async fn serve(socket: &Path, answer: MountResponse, reviewer: Option<Reviewer>) -> Result<Provider> {
        let listener = UnixListener::bind(socket).with_context(|| format!("listening on {}", socket.display()))?;
        let incoming = futures::stream::unfold(listener, async |listener| {
            let accepted = listener.accept().await.map(|(stream, _)| stream);
            Some((accepted, listener))
        });
        let service = Self { answer, reviewer: reviewer.map(Arc::new) };
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        Provider::at(socket).await
    }

    async fn respond(self, request: MountRequest) -> Result<Response<MountResponse>, Status> {
        if let Some(reviewer) = self.reviewer {
            reviewer.review(&request).await.map_err(|error| Status::internal(format!("{error:#}")))?;
        }
        Ok(Response::new(self.answer))
    }
}

impl NamedService for Responder {
    const NAME: &'static str = SERVICE;
}

impl tower::Service<http::Request<Body>> for Responder {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let responder = self.clone();
        Box::pin(async move {
            let respond = tower::service_fn(|request: Request<MountRequest>| responder.clone().respond(request.into_inner()));
            let codec: ProstCodec<MountResponse, MountRequest> = ProstCodec::default();
            Ok(Grpc::new(codec).unary(respond, request).await)
        })
    }
}

/// Asks the API server whose a token is, over connections that are kept.
pub(super) struct Reviewer {
    client: Client,
    url: String,
    token: String,
}

impl Reviewer {
    /// For the fleet's first cluster.
    pub(super) async fn new(fleet: &Fleet) -> Result<Self> {
        let agent = &fleet.agents[0];
        let kubernetes = agent.kubernetes()?;
        let ca = Certificate::from_pem(kubernetes.ca_pem().as_bytes())?;
        let client = Client::builder().no_proxy().timeout(LIMIT).tcp_nodelay(true).tls_certs_only([ca]).build()?;
        let url = format!("{}/apis/authentication.k8s.io/v1/tokenreviews", kubernetes.addr());
        Ok(Self { client, url, token: agent.service_account_token(&[]).await? })
    }

    async fn review(&self, request: &MountRequest) -> Result<()> {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": { "audiences": [AUDIENCE], "token": token(request).context("the driver shows no token")? },
        });
        let answer = self.client.post(&self.url).bearer_auth(&self.token).json(&review).send().await?.error_for_status()?;
        let answer: Value = answer.json().await?;
        ensure!(answer["status"]["authenticated"] == true, "the token is not good");
        Ok(())
    }
}

fn token(request: &MountRequest) -> Option<String> {
    let attributes: Value = serde_json::from_str(&request.attributes).ok()?;
    let tokens: Value = serde_json::from_str(attributes["csi.storage.k8s.io/serviceAccount.tokens"].as_str()?).ok()?;
    tokens[AUDIENCE]["token"].as_str().map(str::to_owned)
}
