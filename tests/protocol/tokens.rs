//! One join token, many who want it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lockstep_proto::v1::{JoinRequest, JoinResponse};
use lockstep_testbed::wait;
use tokio::task::JoinSet;
use tonic::Code;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::raw::{LIMIT, joining, key, request};
use crate::setting::{changes, reconfigure, register, servers};

const CALLERS: usize = 1_000;
/// A connection takes four calls at a time.
const CONNECTIONS: usize = 32;
/// Many times what it takes on a machine with nothing else to do.
const RACE_LIMIT: Duration = Duration::from_mins(5);

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_keys_that_use_one_token_one_wins_and_may_ask_again_for_an_answer_that_was_lost() -> Result<()> {
    let mut fleet = servers(2).await?;
    // All of them are at one address.
    for replica in 0..2 {
        reconfigure(&mut fleet, replica, "joinRefusalsPerMinute", 1_000_000).await?;
        reconfigure(&mut fleet, replica, "joinRefusalsPerMinuteOverall", 1_000_000).await?;
    }
    let token = register(&fleet, "contested", "env=test").await?;
    let mut clients = Vec::new();
    for connection in 0..CONNECTIONS {
        clients.push(joining(&fleet, connection % 2).await?);
    }
    let mut racing = JoinSet::new();
    for caller in 0..CALLERS {
        let (mut client, key, token) = (clients[caller % CONNECTIONS].clone(), key()?, token.clone());
        racing.spawn(async move {
            let wish = JoinRequest { token, csr_der: request(&key)?, cluster: String::new() };
            loop {
                match client.join(wish.clone()).await {
                    Ok(joined) => return Ok(Some((wish, joined.into_inner()))),
                    Err(status) if status.code() == Code::PermissionDenied => return Ok(None),
                    // More at once than a replica takes, or than the registry answers in time: as an agent does, it comes again.
                    Err(status) if matches!(status.code(), Code::ResourceExhausted | Code::Unavailable) => {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    Err(status) => bail!("{status:?}"),
                }
            }
        });
    }
    let outcomes = tokio::time::timeout(RACE_LIMIT, racing.join_all()).await.context("the race has no end")?;
    let outcomes = outcomes.into_iter().collect::<Result<Vec<_>>>()?;
    assert_eq!(outcomes.len(), CALLERS);
    let mut winners = outcomes.into_iter().flatten();
    let (wish, first) = winners.next().context("nobody won")?;
    assert!(winners.next().is_none(), "two won");

    // As if the answer had been lost, on either replica.
    for client in &mut clients[..2] {
        let again = client.join(wish.clone()).await?.into_inner();
        assert_eq!((key_of(&again)?, &again.cluster), (key_of(&first)?, &first.cluster));
        let names = |joined: &JoinResponse| anyhow::Ok(names_of(&joined.chain_der[0])?);
        assert_eq!(names(&again)?, names(&first)?, "the same installation");
    }
    let joined = changes(&fleet, "contested").await?;
    let kinds: Vec<&str> = joined.iter().map(|(kind, _)| kind.as_str()).filter(|kind| *kind != "JoinTokenMinted").collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "ClusterJoined").count(), 1, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "JoinRefused").count(), 1, "one reason, recorded once: {kinds:?}");
    Ok(())
}

fn key_of(joined: &JoinResponse) -> Result<Vec<u8>> {
    let (_, leaf) = X509Certificate::from_der(&joined.chain_der[0])?;
    Ok(leaf.public_key().raw.to_vec())
}

fn names_of(der: &[u8]) -> Result<String> {
    let (_, leaf) = X509Certificate::from_der(der)?;
    Ok(format!("{:?}", leaf.subject_alternative_name()?.context("it has no names")?.value.general_names))
}

#[tokio::test]
async fn an_address_that_guesses_is_not_listened_to_for_a_while_and_each_attempt_is_counted() -> Result<()> {
    let mut fleet = servers(1).await?;
    reconfigure(&mut fleet, 0, "joinRefusalsPerMinute", 5).await?;
    let token = register(&fleet, "guessed", "env=test").await?;
    let (mut client, guesser) = (joining(&fleet, 0).await?, key()?);
    let mut refused = 0;
    let busy = loop {
        let guess = format!("lsjt_{refused:043}");
        let wish = JoinRequest { token: guess, csr_der: request(&guesser)?, cluster: String::new() };
        let status = client.join(wish).await.err().context("a guess was good")?;
        match status.code() {
            Code::PermissionDenied => refused += 1,
            Code::ResourceExhausted => break status,
            _ => bail!("{status:?}"),
        }
        // A few come back while this goes on.
        anyhow::ensure!(refused < 20, "it goes on and on");
    };
    assert!(refused >= 5 && busy.message().contains("try again in a minute"), "{refused}: {busy:?}");
    // Nor is it told whether what it has now is good, on whatever connection; only time helps.
    let wish = JoinRequest { token, csr_der: request(&guesser)?, cluster: String::new() };
    let status = joining(&fleet, 0).await?.join(wish.clone()).await.err().context("it was listened to")?;
    assert_eq!(status.code(), Code::ResourceExhausted);
    let hits = fleet.replicas[0].metric("lockstep_limit_hits_total{limit=\"join_address\"}").await?;
    assert!(hits.is_some_and(|hits| hits >= 2.0), "{hits:?}");
    wait::until("time to pass", LIMIT, async || client.join(wish.clone()).await.map(drop)).await
}
