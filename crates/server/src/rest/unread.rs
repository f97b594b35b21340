//! What an endpoint did not read of a request's body.
//!
//! Who is refused, or asks with a query that cannot be, is answered before his body is there. hyper then closes the connection, because it
//! cannot tell where the next request begins; and a client that keeps connections has sent that one by then, and does not learn whether it was
//! served. So the rest is read and thrown away where it is small and comes soon; where not, the answer says that the connection closes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::{Stream, StreamExt as _};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::limit::BODY_MAX_BYTES;

/// How long a body may take that nobody needs.
const REST_LIMIT: Duration = Duration::from_secs(2);

/// Reads what `next` leaves. HTTP/2 ends one stream without the others.
pub(crate) async fn read_the_rest(request: Request, next: Next) -> Response {
    if request.version() > Version::HTTP_11 || request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Such a client waits for leave to send its body at all: reading would give it.
    let waits_for_leave = request.headers().contains_key(header::EXPECT);
    let (back, mut left) = oneshot::channel();
    let request = request.map(|body| Body::from_stream(Lent { body: Some(body.into_data_stream()), back: Some(back) }));
    let mut response = next.run(request).await;
    if let Ok(rest) = left.try_recv()
        && (waits_for_leave || !is_read(rest).await)
    {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads to the end. `false` if that is too much, takes too long, or fails.
async fn is_read(mut rest: BodyDataStream) -> bool {
    let mut free = BODY_MAX_BYTES;
    let reading = async {
        while let Some(piece) = rest.next().await {
            match piece.ok().and_then(|bytes| free.checked_sub(bytes.len())) {
                Some(left) => free = left,
                None => return false,
            }
        }
        true
    };
    timeout(REST_LIMIT, reading).await.unwrap_or(false)
}

/// A body that comes back when it is dropped before its end.
struct Lent {
    body: Option<BodyDataStream>,
    back: Option<oneshot::Sender<BodyDataStream>>,
}

impl Stream for Lent {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let piece = ready!(body.poll_next_unpin(context));
        if !matches!(piece, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(piece)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let unread = self.body.take().filter(|body| !body.is_end_stream());
        if let (Some(body), Some(back)) = (unread, self.back.take()) {
            // Nobody waits if the request was given up.
            let _ = back.send(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::Router;
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Serves an endpoint that refuses without reading, one that reads, and one that says that it is there.
    async fn serve() -> SocketAddr {
        let router = Router::new()
            .route("/refuse", post(|| async { StatusCode::FORBIDDEN }))
            .route("/read", post(|body: Bytes| async move { body.len().to_string() }))
            .route("/there", get(|| async { "there" }))
            .layer(from_fn(read_the_rest));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    /// Sends a head, after a pause the body, and then, as a client that keeps connections, the next request; all that is answered.
    async fn exchange(head: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(serve().await).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // So that the endpoint is done before the body comes.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let next = b"GET /there HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        // Closed already where it says so.
        let _ = stream.write_all(&[body, next].concat()).await;
        let mut answers = Vec::new();
        let _ = stream.read_to_end(&mut answers).await;
        String::from_utf8(answers).unwrap()
    }

    #[tokio::test]
    async fn a_refused_request_whose_body_comes_late_leaves_the_connection_open() {
        let answers = exchange("POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n", b"late").await;
        assert!(answers.starts_with("HTTP/1.1 403") && answers.ends_with("there"), "{answers}");
        let chunked = "POST /refuse HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answers = exchange(chunked, b"4\r\nlate\r\n0\r\n\r\n").await;
        assert!(answers.starts_with("HTTP/1.1 403") && answers.ends_with("there"), "{answers}");
    }

    #[tokio::test]
    async fn a_body_that_is_read_is_answered_as_ever() {
        let answers = exchange("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n", b"late").await;
        assert!(answers.contains("\r\n\r\n4HTTP/1.1 200") && answers.ends_with("there"), "{answers}");
    }

    #[tokio::test]
    async fn what_is_too_much_never_comes_or_waits_for_leave_is_told_that_the_connection_closes() {
        let much = BODY_MAX_BYTES + 1;
        for (more, body) in [
            (format!("Content-Length: {much}"), vec![b'a'; much]),
            ("Content-Length: 4".to_owned(), Vec::new()),
            ("Content-Length: 4\r\nExpect: 100-continue".to_owned(), Vec::new()),
        ] {
            let mut stream = TcpStream::connect(serve().await).await.unwrap();
            let head = format!("POST /refuse HTTP/1.1\r\nHost: x\r\n{more}\r\n\r\n");
            stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_buf(&mut answer).await.unwrap();
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("connection: close\r\n"), "{more}: {answer}");
        }
    }
}
