//! An agent that says what a test wants, and shows what it hears.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use hyper_util::rt::TokioIo;
use lockstep_proto::v1::agent_client::AgentClient;
use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::join_client::JoinClient;
use lockstep_proto::v1::server_message::Message as FromServer;
use lockstep_proto::v1::{AgentMessage, ChallengeRequest, Hello, JoinRequest, JoinResponse, RenewRequest, ServerMessage};
use lockstep_proto::{MESSAGE_MAX_BYTES, RENEW_CONTEXT};
use lockstep_testbed::Fleet;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, SigningKey as _};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

/// How long anything may take that should happen at once.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A key.
pub(crate) fn key() -> Result<KeyPair> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

/// A request that asks for nothing but a certificate of the key.
pub(crate) fn request(key: &KeyPair) -> Result<Vec<u8>> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}

/// Who has joined: a key and its certificate.
pub(crate) struct Raw {
    pub(crate) key: KeyPair,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) cluster: Vec<u8>,
}

/// A stream, from the agent's side.
pub(crate) struct Stream {
    say: mpsc::Sender<AgentMessage>,
    heard: Streaming<ServerMessage>,
}

/// To the join listener of a replica.
pub(crate) async fn joining(fleet: &Fleet, replica: usize) -> Result<JoinClient<Channel>> {
    let config = builder()?.with_root_certificates(roots(fleet)?).with_no_client_auth();
    Ok(JoinClient::new(connect(&fleet.replicas[replica].join_url(), config).await?))
}

impl Raw {
    /// Joins with a fresh key.
    pub(crate) async fn join(fleet: &Fleet, token: &str) -> Result<Self> {
        let key = key()?;
        let csr_der = request(&key)?;
        Self::join_as(fleet, token, key, csr_der).await
    }

    /// Joins with this key and this request.
    pub(crate) async fn join_as(fleet: &Fleet, token: &str, key: KeyPair, csr_der: Vec<u8>) -> Result<Self> {
        let request = JoinRequest { token: token.to_owned(), csr_der, cluster: String::new() };
        let joined = joining(fleet, 0).await?.join(request).await?.into_inner();
        Ok(Self { key, chain: chain(joined.chain_der), cluster: joined.cluster })
    }

    /// Opens the stream and says this first.
    pub(crate) async fn link(&self, fleet: &Fleet, replica: usize, hello: Hello) -> Result<Stream> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let config = builder()?.with_root_certificates(roots(fleet)?).with_client_auth_cert(self.chain.clone(), key)?;
        let channel = connect(&fleet.replicas[replica].agents_url(), config).await?;
        let (say, said) = mpsc::channel(64);
        say.send(AgentMessage { message: Some(FromAgent::Hello(hello)) }).await?;
        let mut client = AgentClient::new(channel).max_decoding_message_size(MESSAGE_MAX_BYTES);
        let heard = client.link(ReceiverStream::new(said)).await?.into_inner();
        Ok(Stream { say, heard })
    }

    /// The same, where the greeting must follow.
    pub(crate) async fn linked(&self, fleet: &Fleet, replica: usize, hello: Hello) -> Result<Stream> {
        let mut stream = self.link(fleet, replica, hello).await?;
        match stream.hear().await? {
            Some(FromServer::Welcome(_)) => Ok(stream),
            other => bail!("no greeting but {other:?}"),
        }
    }

    /// Opens the stream, which must be refused for good; with what words.
    pub(crate) async fn refused(&self, fleet: &Fleet, replica: usize) -> Result<String> {
        let refused = match self.link(fleet, replica, Hello::default()).await {
            Ok(mut stream) => stream.hear().await.err(),
            Err(error) => Some(error),
        };
        let refused = refused.context("it was not refused")?;
        let status = refused.downcast_ref::<Status>().with_context(|| format!("no status: {refused:#}"))?;
        anyhow::ensure!(status.code() == Code::PermissionDenied, "{status:?}");
        Ok(status.message().to_owned())
    }

    /// Renews on the join listener, with a nonce signed by its key.
    pub(crate) async fn renew(&self, fleet: &Fleet, replica: usize, csr_der: Vec<u8>) -> Result<JoinResponse, Status> {
        self.renew_of(fleet, replica, csr_der, self.chain[0].to_vec()).await
    }

    /// The same, of this certificate.
    pub(crate) async fn renew_of(
        &self,
        fleet: &Fleet,
        replica: usize,
        csr_der: Vec<u8>,
        certificate_der: Vec<u8>,
    ) -> Result<JoinResponse, Status> {
        let mut client = joining(fleet, replica).await.map_err(|e| Status::unavailable(format!("{e:#}")))?;
        let challenge = ChallengeRequest { certificate_der: certificate_der.clone() };
        let nonce = client.challenge(challenge).await?.into_inner().nonce;
        let signature = self.key.sign(&[RENEW_CONTEXT, &nonce].concat()).map_err(|e| Status::internal(e.to_string()))?;
        let answer = client.renew(RenewRequest { certificate_der, csr_der, nonce, signature }).await?;
        Ok(answer.into_inner())
    }
}

impl Stream {
    pub(crate) async fn say(&self, message: FromAgent) -> Result<()> {
        Ok(self.say.send(AgentMessage { message: Some(message) }).await?)
    }

    /// The next message that is no heartbeat; `None` at the stream's end.
    pub(crate) async fn hear(&mut self) -> Result<Option<FromServer>> {
        let next = async {
            loop {
                match self.heard.message().await?.map(|message| message.message) {
                    Some(Some(FromServer::Heartbeat(_)) | None) => {}
                    Some(message) => return anyhow::Ok(message),
                    None => return Ok(None),
                }
            }
        };
        tokio::time::timeout(LIMIT, next).await.context("nothing was heard")?
    }
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>> {
    Ok(ClientConfig::builder_with_provider(Arc::new(default_provider())).with_protocol_versions(&[&rustls::version::TLS13])?)
}

fn roots(fleet: &Fleet) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&std::fs::read(fleet.root_file())?)?)?;
    Ok(roots)
}

pub(crate) fn chain(ders: Vec<Vec<u8>>) -> Vec<CertificateDer<'static>> {
    ders.into_iter().map(CertificateDer::from).collect()
}

/// One connection; it is not dialled again.
async fn connect(url: &str, mut config: ClientConfig) -> Result<Channel> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    let address = url.strip_prefix("https://").context("an https address")?.to_owned();
    let tcp = TcpStream::connect(&address).await?;
    let name = ServerName::try_from("127.0.0.1")?;
    let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    let mut once = Some(TokioIo::new(tls));
    let connector = tower::service_fn(move |_: Uri| {
        let stream = once.take().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected));
        async move { stream }
    });
    let origin = url.parse()?;
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?.origin(origin);
    Ok(endpoint.connect_with_connector(connector).await?)
}
