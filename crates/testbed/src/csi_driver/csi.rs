//! The two requests of the Container Storage Interface (version 1) that a kubelet makes of this driver, by their field numbers.

use std::collections::BTreeMap;

use http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, Message)]
pub(super) struct PublishRequest {
    #[prost(string, tag = "1")]
    pub(super) volume_id: String,
    #[prost(string, tag = "4")]
    pub(super) target_path: String,
    #[prost(message, optional, tag = "5")]
    pub(super) volume_capability: Option<VolumeCapability>,
    #[prost(bool, tag = "6")]
    pub(super) readonly: bool,
    #[prost(btree_map = "string, string", tag = "8")]
    pub(super) volume_context: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct VolumeCapability {
    #[prost(message, optional, tag = "2")]
    pub(super) mount: Option<MountVolume>,
    #[prost(message, optional, tag = "3")]
    pub(super) access_mode: Option<AccessMode>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MountVolume {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AccessMode {
    #[prost(int32, tag = "1")]
    pub(super) mode: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct UnpublishRequest {
    #[prost(string, tag = "1")]
    pub(super) volume_id: String,
    #[prost(string, tag = "2")]
    pub(super) target_path: String,
}

#[derive(Clone, PartialEq, Message)]
struct Empty {}

pub(super) async fn publish(channel: Channel, request: PublishRequest) -> Result<(), Status> {
    call(channel, "/csi.v1.Node/NodePublishVolume", request).await
}

pub(super) async fn unpublish(channel: Channel, request: UnpublishRequest) -> Result<(), Status> {
    call(channel, "/csi.v1.Node/NodeUnpublishVolume", request).await
}

async fn call<M: Message + Send + Sync + 'static>(channel: Channel, path: &'static str, message: M) -> Result<(), Status> {
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let codec: ProstCodec<M, Empty> = ProstCodec::default();
    client.unary(Request::new(message), PathAndQuery::from_static(path), codec).await.map(drop)
}
