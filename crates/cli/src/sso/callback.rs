//! Where the browser comes back to: a listener on this machine that takes one answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::issuer::printable;

const PATH: &str = "/callback";
/// A request's head; browsers send 1 to 2 KiB of it.
const HEAD_MAX_BYTES: usize = 16 * 1024;
/// Browsers open connections ahead, on which nothing may ever come.
const CONNECTION_LIMIT: Duration = Duration::from_secs(30);
/// Whoever opens more than a browser does waits.
const CONNECTIONS_MAX: usize = 32;

/// A listener on loopback.
pub(super) struct Callback {
    listener: TcpListener,
    address: SocketAddr,
}

/// What a request to the listener says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// The answer to our question: the code, or why there is none.
    Answer(Result<String, String>),
    /// Something that a browser asks for by itself, or an answer to nobody's question.
    Other,
}

impl Callback {
    /// Listens on `port`, or any.
    pub(super) async fn listen(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.with_context(|| format!("listening on port {port} of this machine for the browser"))?;
        let address = listener.local_addr().context("listening for the browser")?;
        Ok(Self { listener, address })
    }

    /// What the issuer sends the browser to. By address: `localhost` may lead elsewhere (RFC 8252, 8.3).
    pub(super) fn redirect_uri(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Waits for the browser; the code that it brings.
    pub(super) async fn code(&self, state: &str, issuer: &str) -> anyhow::Result<String> {
        let (sender, mut said) = mpsc::channel(1);
        // Ends with this function, and its connections with it.
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                    let (stream, _) = accepted.context("waiting for the browser")?;
                    let (sender, state, issuer) = (sender.clone(), state.to_owned(), issuer.to_owned());
                    connections.spawn(async move {
                        if let Ok(Some(answer)) = tokio::time::timeout(CONNECTION_LIMIT, serve(stream, &state, &issuer)).await {
                            let _ = sender.send(answer).await;
                        }
                    });
                }
                Some(_) = connections.join_next(), if connections.len() == CONNECTIONS_MAX => {}
                Some(answer) = said.recv() => match answer {
                    Ok(code) => return Ok(code),
                    Err(why) => bail!("the issuer says {why}"),
                },
            }
        }
    }
}

/// Answers one request. `None`: it was none that counts.
async fn serve(mut stream: TcpStream, state: &str, issuer: &str) -> Option<Result<String, String>> {
    let head = head(&mut stream).await?;
    let said = read(&head, state, issuer);
    let (status, text) = match &said {
        Said::Answer(Ok(_)) => ("200 OK", "Done here: go back to the terminal. You may close this window."),
        Said::Answer(Err(_)) => ("200 OK", "This did not work: the terminal says why. You may close this window."),
        Said::Other => ("404 Not Found", "There is nothing here."),
    };
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\ncache-control: no-store\r\n\
         referrer-policy: no-referrer\r\nconnection: close\r\n\r\n{text}"
    );
    // That the page cannot be shown is not worth failing for: the terminal shows what counts.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    match said {
        Said::Answer(answer) => Some(answer),
        Said::Other => None,
    }
}

/// The request's head; `None` if none comes.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 2048];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = stream.read(&mut chunk).await.ok().filter(|length| *length > 0)?;
        head.extend_from_slice(&chunk[..length]);
        if head.len() > HEAD_MAX_BYTES {
            return None;
        }
    }
    String::from_utf8(head).ok()
}

fn read(head: &str, state: &str, issuer: &str) -> Said {
    let target = head.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    let url = Url::parse("http://localhost").and_then(|base| base.join(target)).ok().filter(|url| url.path() == PATH);
    let Some(url) = url else { return Said::Other };
    let value = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    // Anybody on this machine, and any page in the browser, can come here; who knows the state was sent by the issuer.
    if value("state").as_deref() != Some(state) {
        return Said::Other;
    }
    // RFC 9207: an answer may say whose it is.
    if value("iss").is_some_and(|iss| iss != issuer) {
        return Said::Answer(Err("that it is another issuer than the one that was asked".to_owned()));
    }
    if let Some(error) = value("error") {
        let more = value("error_description").map(|text| format!(": {}", printable(&text))).unwrap_or_default();
        return Said::Answer(Err(format!("{}{more}", printable(&error))));
    }
    match value("code").filter(|code| !code.is_empty()) {
        Some(code) => Said::Answer(Ok(code)),
        None => Said::Answer(Err("neither yes nor no".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://i.example.com";

    #[test]
    fn only_who_knows_the_state_is_listened_to() {
        let said = |target: &str| read(&format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n"), "s", ISSUER);
        let yes = |code: &str| Said::Answer(Ok(code.to_owned()));
        assert_eq!(said("/callback?code=c%2Fd&state=s"), yes("c/d"));
        assert_eq!(said("/callback?state=s&iss=https%3A%2F%2Fi.example.com&code=c"), yes("c"));
        for other in
            ["/", "/favicon.ico", "/callback", "/callback?code=c", "/callback?code=c&state=t", "//callback?code=c&state=s", ""]
        {
            assert_eq!(said(other), Said::Other, "{other}");
        }
        assert_eq!(read("POST /callback?code=c&state=s HTTP/1.1\r\n\r\n", "s", ISSUER), Said::Other);
        for (target, why) in [
            ("/callback?state=s&error=access_denied&error_description=not%20you%1b", "access_denied: not you"),
            ("/callback?state=s&error=access_denied&code=c", "access_denied"),
            ("/callback?state=s", "neither yes nor no"),
            ("/callback?state=s&code=c&iss=https%3A%2F%2Fj.example.com", "that it is another issuer than the one that was asked"),
        ] {
            assert_eq!(said(target), Said::Answer(Err(why.to_owned())), "{target}");
        }
    }

    #[tokio::test]
    async fn a_browser_that_opens_connections_ahead_and_asks_for_more_is_no_answer() {
        let callback = Callback::listen(0).await.unwrap();
        let address = callback.address;
        let browser = tokio::spawn(async move {
            let _ahead = TcpStream::connect(address).await.unwrap();
            let mut answers = Vec::new();
            for target in ["/favicon.ico", "/callback?state=wrong&code=c", "/callback?state=s&code=c"] {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.unwrap();
                answers.push(answer.split("\r\n").next().unwrap_or_default().to_owned());
            }
            answers
        });
        assert_eq!(callback.code("s", ISSUER).await.unwrap(), "c");
        assert_eq!(browser.await.unwrap(), ["HTTP/1.1 404 Not Found", "HTTP/1.1 404 Not Found", "HTTP/1.1 200 OK"]);
    }
}
