//! A connection that holds its place among those that may be open, and loses it when it is silent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use tonic::transport::server::Connected;

/// A stream that fails once nothing has been read or written for too long.
pub(in crate::volumes) struct Open<S> {
    stream: S,
    limit: Duration,
    silence: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl<S> Open<S> {
    pub(super) fn new(stream: S, limit: Duration, place: OwnedSemaphorePermit) -> Self {
        Self { stream, limit, silence: Box::pin(tokio::time::sleep(limit)), _place: place }
    }

    /// What came of reading or writing; if nothing did, whether that was so for too long.
    fn heard<T>(&mut self, outcome: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            let until = Instant::now() + self.limit;
            self.silence.as_mut().reset(until);
            return outcome;
        }
        ready!(self.silence.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "silent for too long")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Open<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        self.heard(read, context)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Open<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.heard(written, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: Connected> Connected for Open<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_silent_connection_ends_and_gives_its_place_back() {
        let places = Arc::new(Semaphore::new(1));
        let (ours, _theirs) = duplex(64);
        let mut open = Open::new(ours, Duration::from_millis(100), places.clone().try_acquire_owned().unwrap());
        assert_eq!(open.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(places.available_permits(), 0);
        drop(open);
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test]
    async fn one_that_is_read_from_or_written_to_stays() {
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let (ours, mut theirs) = duplex(64);
        let mut open = Open::new(ours, Duration::from_secs(60), place);
        let first = open.silence.deadline();
        theirs.write_all(b"a").await.unwrap();
        assert_eq!(open.read_u8().await.unwrap(), b'a');
        let second = open.silence.deadline();
        open.write_all(b"b").await.unwrap();
        assert!(first < second && second < open.silence.deadline());
    }
}
