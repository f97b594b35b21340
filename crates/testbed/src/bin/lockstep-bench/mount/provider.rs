//! `v1alpha1.CSIDriverProvider` as the Secrets Store CSI driver calls it, by its field numbers, over a Unix socket.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::UnixStream;
use tonic::Request;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic_prost::ProstCodec;

/// The service's name.
pub(super) const SERVICE: &str = "v1alpha1.CSIDriverProvider";
const MOUNT: &str = "/v1alpha1.CSIDriverProvider/Mount";

/// The attributes hold the pod's token: it is never shown.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct MountRequest {
    #[prost(string, tag = "1")]
    pub(super) attributes: String,
    #[prost(string, tag = "2")]
    pub(super) secrets: String,
    #[prost(string, tag = "3")]
    pub(super) target_path: String,
    #[prost(string, tag = "4")]
    pub(super) permission: String,
    #[prost(message, repeated, tag = "5")]
    pub(super) current_object_version: Vec<ObjectVersion>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ObjectVersion {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    version: String,
}

/// The files are material: it is never shown.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct MountResponse {
    #[prost(message, repeated, tag = "1")]
    object_version: Vec<ObjectVersion>,
    #[prost(message, optional, tag = "2")]
    error: Option<Error>,
    #[prost(message, repeated, tag = "3")]
    pub(super) files: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct Error {
    #[prost(string, tag = "1")]
    code: String,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct File {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(int32, tag = "2")]
    mode: i32,
    #[prost(bytes = "vec", tag = "3")]
    contents: Vec<u8>,
}

/// A connection that is kept, as the driver keeps it.
#[derive(Clone)]
pub(super) struct Provider(Channel);

impl Provider {
    /// Whoever listens on this socket.
    pub(super) async fn at(socket: &Path) -> Result<Self> {
        let path = socket.to_owned();
        let dial = tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        // The address is not used.
        let channel = Endpoint::from_static("http://localhost").connect_with_connector(dial).await;
        Ok(Self(channel.with_context(|| format!("connecting to {}", socket.display()))?))
    }

    /// Mounts. An error is what the pod's event would say.
    pub(super) async fn mount(&self, request: MountRequest) -> Result<MountResponse> {
        let mut client = Grpc::new(self.0.clone());
        client.ready().await.context("a provider is not there any more")?;
        let codec: ProstCodec<MountRequest, MountResponse> = ProstCodec::default();
        let answer = client.unary(Request::new(request), PathAndQuery::from_static(MOUNT), codec).await;
        Ok(answer.map_err(|status| anyhow!("a mount failed: {}", status.message()))?.into_inner())
    }
}
