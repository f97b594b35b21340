//! Where a server listens.

use std::fmt;
use std::str::FromStr;

use rustls_pki_types::ServerName;
use thiserror::Error;
use tonic::codegen::http::Uri;
use tonic::codegen::http::uri::PathAndQuery;

/// `https://host:port`, host being a DNS name or an IP address; nothing after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    /// As in a URL: an IPv6 address has its brackets.
    host: String,
    port: u16,
}

/// Why a text is no address of a server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a server's address: write https://HOST:PORT")]
pub struct AddressError(String);

impl AddressError {
    /// For an address that turns out to be of no use.
    pub(crate) fn of(address: &ServerAddress) -> Self {
        Self(address.to_string())
    }
}

impl ServerAddress {
    /// `host:port`, to connect to.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The name that the server's certificate must have.
    pub(crate) fn server_name(&self) -> Result<ServerName<'static>, AddressError> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        ServerName::try_from(bare.to_owned()).map_err(|_| AddressError::of(self))
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| error())?;
        let bare = matches!(uri.path_and_query().map(PathAndQuery::as_str), None | Some("/" | ""));
        let authority = uri.authority().ok_or_else(error)?;
        let port = authority.port_u16().ok_or_else(error)?;
        if uri.scheme_str() != Some("https") || !bare || authority.as_str().contains('@') {
            return Err(error());
        }
        let address = Self { host: authority.host().to_owned(), port };
        address.server_name().map_err(|_| error())?;
        Ok(address)
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_host_and_port() {
        for good in ["https://a.example:8444", "https://127.0.0.1:1", "https://[::1]:8444"] {
            assert_eq!(good.parse::<ServerAddress>().unwrap().to_string(), good);
        }
        assert_eq!("https://a:1/".parse::<ServerAddress>().unwrap().to_string(), "https://a:1");
        for bad in ["", "a:1", "http://a:1", "https://a", "https://a:1/x", "https://u@a:1", "https://a:99999", "https://a b:1"] {
            assert!(bad.parse::<ServerAddress>().is_err(), "{bad}");
        }
    }
}
