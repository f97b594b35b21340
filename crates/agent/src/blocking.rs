//! Work that blocks on the disk, off the async threads.

/// Runs `work` on a thread that may block. It is finished also if nobody waits for it any more.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    finished(tokio::task::spawn_blocking(work)).await
}

/// Runs `step` as a task of its own, so that it is finished also if nobody waits for it any more.
pub(crate) async fn to_its_end<T: Send + 'static>(step: impl Future<Output = T> + Send + 'static) -> T {
    finished(tokio::spawn(step)).await
}

async fn finished<T>(task: tokio::task::JoinHandle<T>) -> T {
    match task.await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that shuts down cancels; then nobody is left to take an answer.
            Err(_) => std::future::pending().await,
        },
    }
}
