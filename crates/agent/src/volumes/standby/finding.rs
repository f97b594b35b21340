//! Finding the replica that works behind the one name that all of them have.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use lockstep_core::id::BindingId;
use lockstep_core::revision::Revision;
use lockstep_proto::MESSAGE_MAX_BYTES;
use lockstep_proto::node::standby_client::StandbyClient;
use lockstep_proto::node::{CacheChange, FollowRequest, KnownEntry};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::net::lookup_host;
use tokio::sync::watch;
use tonic::{Code, Request, Streaming};

use crate::address::ServerAddress;
use crate::bearer;
use crate::connect::connect_at;
use crate::tls::{self, Trust};

const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Where the replicas are.
pub(super) struct Peer {
    /// Of all of them.
    pub(super) address: ServerAddress,
    /// The token that is shown there.
    pub(super) token_file: PathBuf,
    /// The CAs to trust, as PEM.
    pub(super) trusted: watch::Receiver<String>,
}

impl Peer {
    /// What whichever replica works tells one that has what is `known`.
    pub(super) async fn follow(&self, known: &BTreeMap<BindingId, Revision>) -> anyhow::Result<Streaming<CacheChange>> {
        let roots: Vec<_> = CertificateDer::pem_slice_iter(self.trusted.borrow().as_bytes()).collect::<Result<_, _>>()?;
        let config = tls::for_join(Trust::Roots(&roots))?;
        let bearer = bearer::read(&self.token_file).await.map_err(|why| anyhow!("this agent's own token {why}"))?;
        let addresses = lookup_host(self.address.authority()).await.with_context(|| format!("looking {} up", self.address))?;
        let (mut why, mut stands_by) = (None, false);
        for at in addresses {
            let channel = match connect_at(&self.address, at, config.clone(), CONNECT_LIMIT).await {
                Ok(channel) => channel,
                Err(error) => {
                    why.get_or_insert_with(|| error.into());
                    continue;
                }
            };
            let known = known.iter().map(|(binding, revision)| KnownEntry {
                binding: binding.uuid().as_bytes().to_vec(),
                epoch: revision.epoch.get(),
                seq: revision.seq.get(),
            });
            let mut request = Request::new(FollowRequest { known: known.collect() });
            request.metadata_mut().insert("authorization", bearer.clone());
            let mut client = StandbyClient::new(channel).max_decoding_message_size(MESSAGE_MAX_BYTES);
            match client.follow(request).await {
                Ok(answer) => return Ok(answer.into_inner()),
                // It stands by too: it may be this one.
                Err(status) if status.code() == Code::FailedPrecondition => stands_by = true,
                // Of several it is this answer that says something.
                Err(status) => why = Some(anyhow!("{}", status.message().to_owned())),
            }
        }
        let nobody = || {
            if stands_by { anyhow!("no replica works at the moment") } else { anyhow!("{} has no address", self.address) }
        };
        Err(why.unwrap_or_else(nobody))
    }
}
