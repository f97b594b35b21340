//! Waiting for a condition instead of sleeping.

use std::fmt::Display;
use std::time::Duration;

use anyhow::{Result, bail};

/// How long to rest between two looks at a condition.
const INTERVAL: Duration = Duration::from_millis(25);

/// What a condition may answer: `bool`, `Option<T>` (`None`: not yet) or `Result<T, E>` (`Err`: not yet, and why).
pub trait Answer {
    /// What the wait returns in the end.
    type Value;
    /// The value, or why there is none yet.
    fn answer(self) -> Result<Self::Value, Option<String>>;
}

impl Answer for bool {
    type Value = ();
    fn answer(self) -> Result<(), Option<String>> {
        if self { Ok(()) } else { Err(None) }
    }
}

impl<T> Answer for Option<T> {
    type Value = T;
    fn answer(self) -> Result<T, Option<String>> {
        self.ok_or(None)
    }
}

impl<T, E: Display> Answer for Result<T, E> {
    type Value = T;
    fn answer(self) -> Result<T, Option<String>> {
        // `{:#}` prints the whole chain of an `anyhow::Error`.
        self.map_err(|error| Some(format!("{error:#}")))
    }
}

/// Asks `condition` every 25 ms until it holds. After `limit` the error says what was awaited and the last cause.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// use std::time::Duration;
/// let mut looks = 0;
/// let seen = lockstep_testbed::wait::until("a third look", Duration::from_secs(5), async || {
///     looks += 1;
///     (looks == 3).then_some(looks)
/// })
/// .await?;
/// assert_eq!(seen, 3);
/// # Ok(())
/// # }
/// ```
pub async fn until<A: Answer>(what: &str, limit: Duration, mut condition: impl AsyncFnMut() -> A) -> Result<A::Value> {
    let mut cause = None;
    let looking = async {
        loop {
            match condition().await.answer() {
                Ok(value) => return value,
                Err(why) => cause = why.or(cause.take()),
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    if let Ok(value) = tokio::time::timeout(limit, looking).await {
        return Ok(value);
    }
    match cause {
        Some(cause) => bail!("waited {limit:?} in vain for {what}: {cause}"),
        None => bail!("waited {limit:?} in vain for {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_in_vain_says_what_was_awaited_and_the_last_cause() {
        let error =
            until("rain", Duration::from_millis(60), async || Err::<(), _>("blue sky")).await.expect_err("it cannot hold");
        assert_eq!(error.to_string(), "waited 60ms in vain for rain: blue sky");
    }

    #[tokio::test]
    async fn a_condition_that_hangs_is_limited_too() {
        let error = until("godot", Duration::from_millis(60), std::future::pending::<bool>).await.expect_err("it cannot hold");
        assert!(error.to_string().contains("godot"));
    }
}
