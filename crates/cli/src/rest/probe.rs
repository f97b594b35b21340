//! Whether a server is there, and what it shows of itself.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header;
use reqwest::tls::TlsInfo;
use tokio::time::Instant;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::client::Client;
use super::failure::Failure;
use crate::clock;

/// What a server shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    /// How long the answer took.
    pub(crate) took: Duration,
    /// How far its clock is ahead of this machine's; its answer says whole seconds.
    pub(crate) ahead: Option<TimeDelta>,
    /// From when until when its certificate is valid; nothing without TLS.
    pub(crate) certificate: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Client {
    /// Asks whether the replica can serve. No token is sent.
    pub(crate) async fn probe(&self) -> Result<Probe, Failure> {
        let began = Instant::now();
        let response = self.send(self.open_request("readyz")).await?;
        let took = began.elapsed();
        let date = response.headers().get(header::DATE).and_then(|value| value.to_str().ok());
        let date = date.and_then(|text| DateTime::parse_from_rfc2822(text).ok()).map(|date| date.to_utc());
        let certificate = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate).and_then(validity);
        Ok(Probe { took, ahead: date.map(|date| date - clock::now()), certificate })
    }
}

fn validity(der: &[u8]) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    Some((
        DateTime::from_timestamp(validity.not_before.timestamp(), 0)?,
        DateTime::from_timestamp(validity.not_after.timestamp(), 0)?,
    ))
}
