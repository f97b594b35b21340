//! One server, spoken to as one caller.

use std::fmt;
use std::path::PathBuf;

use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::failure::{Failure, TokenOrigin};
use super::transport;

/// One server, spoken to as one caller.
pub(crate) struct Client {
    http: reqwest::Client,
    /// As the person wrote it, for messages.
    server: String,
    base: Url,
    token: String,
    origin: TokenOrigin,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of `server`. Nothing is sent yet.
    pub(crate) fn new(
        server: &str,
        certificate_authority: Option<&PathBuf>,
        token: String,
        origin: TokenOrigin,
    ) -> anyhow::Result<Self> {
        let base = transport::address(server)?;
        let http = transport::build(certificate_authority)?;
        Ok(Self { http, server: server.to_owned(), base, token, origin })
    }

    /// The server's address, for messages.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// GET of `/v1/<path>`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Failure> {
        self.answer(self.request(Method::GET, path)).await
    }

    /// GET of `/v1/<path>?<query>`.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Failure> {
        self.answer(self.request(Method::GET, path).query(query)).await
    }

    /// GET of `/v1/<path>`; `None` if it does not exist.
    pub(crate) async fn find<T: DeserializeOwned>(&self, path: &[&str]) -> Result<Option<T>, Failure> {
        match self.get(path).await {
            Err(Failure::NotFound(_)) => Ok(None),
            other => other.map(Some),
        }
    }

    /// POST of `body` to `/v1/<path>`.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Result<T, Failure> {
        self.answer(self.request(Method::POST, path).json(body)).await
    }

    /// GET of `/<name>`, which needs no token and is sent none.
    pub(crate) async fn get_openly<T: DeserializeOwned>(&self, name: &str) -> Result<T, Failure> {
        self.answer(self.open_request(name)).await
    }

    /// A request to `/<name>` without a token.
    pub(super) fn open_request(&self, name: &str) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(name);
        }
        self.http.get(url)
    }

    /// A request to `/v1/<path>`, each part of which is escaped.
    pub(crate) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        // An https address always has segments; one without would be answered 404 and say so.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        self.http.request(method, url).bearer_auth(&self.token)
    }

    /// Sends, and reads the answer's JSON.
    pub(crate) async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let response = self.send(request).await?;
        self.decode(response).await
    }

    /// Sends; an answer that is no success is a failure.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let failed = |error: &reqwest::Error| Failure::of_transport(&self.server, error);
        let response = request.send().await.map_err(|e| failed(&e))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.map_err(|e| failed(&e))?;
        Err(Failure::of_answer(&self.server, self.origin, status, &body))
    }

    pub(super) async fn decode<T: DeserializeOwned>(&self, response: Response) -> Result<T, Failure> {
        let status = response.status();
        let body = response.bytes().await.map_err(|e| Failure::of_transport(&self.server, &e))?;
        serde_json::from_slice(&body).map_err(|_| Failure::Strange { server: self.server.clone(), status })
    }
}
