//! Whether the other side ended a connection with a TLS alert. With TLS 1.3 a refusal of the client's certificate comes after the client's own
//! handshake is over, in the middle of HTTP/2, whose errors do not say so any more.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Set once the other side refused our certificate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusal(Arc<AtomicBool>);

impl Refusal {
    /// Whether it did.
    pub(crate) fn is_told(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn note(&self, error: &io::Error) {
        let alert = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::AlertReceived(alert)) = alert
            && is_of_certificate(*alert)
        {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// What servers say of a certificate whose root they do not trust; which of these is a matter of taste.
const fn is_of_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied
    )
}

/// A stream that notes such an alert.
pub(super) struct Noting<S> {
    stream: S,
    refusal: Refusal,
}

impl<S> Noting<S> {
    pub(super) fn new(stream: S) -> (Self, Refusal) {
        let refusal = Refusal::default();
        (Self { stream, refusal: refusal.clone() }, refusal)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noting<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, into));
        Poll::Ready(read.inspect_err(|error| self.refusal.note(error)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noting<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        Poll::Ready(written.inspect_err(|error| self.refusal.note(error)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
