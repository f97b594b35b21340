use std::fs;
use std::process::Stdio;
use std::time::Duration;

use lockstep_proto::v1::agent_message::Message as FromAgent;
use lockstep_proto::v1::server_message::Message as FromServer;
use tokio::process::{Child, Command};

use crate::fixture::{Fixture, PATIENCE, content, digest, put};

/// How often the agent is killed.
const KILLS: u64 = 12;

fn spawn(fixture: &Fixture) -> Child {
    let arguments = &fixture.arguments;
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep-agent"));
    command.arg("run").arg("--state-dir").arg(fixture.state()).arg("--directory-root").arg(fixture.target(""));
    command.arg("--server").arg(arguments.servers[0].to_string()).arg("--join").arg(arguments.join_servers[0].to_string());
    command.arg("--token-file").arg(arguments.token_file.as_ref().unwrap());
    command.arg("--pin").arg(arguments.pin.unwrap().to_string());
    command.stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

/// The number that both keys hold; they never differ.
fn version(fixture: &Fixture) -> u64 {
    let read = |key: &str| fs::read_to_string(fixture.target("out").join(key)).unwrap();
    let (a, b) = (read("A"), read("B"));
    assert_eq!(a, b);
    a.parse().unwrap()
}

#[tokio::test]
async fn an_agent_killed_at_any_moment_holds_one_whole_version_and_never_an_older_one() {
    let mut fixture = Fixture::new().await;
    let wanted = |seq: u64| content(&[("A", &seq.to_string()), ("B", &seq.to_string())]);
    let (mut seq, mut acked) = (0, 0);
    for kill in 0..KILLS {
        let mut agent = spawn(&fixture);
        let (mut link, hello) = fixture.linked().await;
        if acked > 0 {
            let held = &hello.inventory[0];
            let revision = held.revision.unwrap().seq;
            assert!(revision >= acked, "{revision} after {acked} was acked");
            let there = version(&fixture);
            assert!(there >= acked && there <= seq, "{there}, acked {acked}, sent {seq}");
            assert!(hello.floor.unwrap().seq >= acked);
            if there == revision {
                assert_eq!(held.digest, digest(&wanted(there)));
            }
        }
        for _ in 0..30 {
            seq += 1;
            link.say(FromServer::Put(put(seq, "out", &wanted(seq))));
        }
        // Somewhere in the middle of the thirty, a little later each time.
        let moment = tokio::time::sleep(Duration::from_millis(10 + 7 * kill));
        tokio::pin!(moment);
        loop {
            tokio::select! {
                () = &mut moment => break,
                heard = link.hear() => {
                    let FromAgent::Ack(ack) = heard else { continue };
                    acked = acked.max(ack.revision.unwrap().seq);
                }
            }
        }
        agent.start_kill().unwrap();
        agent.wait().await.unwrap();
    }
    let mut agent = spawn(&fixture);
    let (mut link, _) = fixture.linked().await;
    link.say(FromServer::Put(put(seq + 1, "out", &wanted(seq + 1))));
    assert!(matches!(link.hear().await, FromAgent::Ack(_)));
    assert_eq!(version(&fixture), seq + 1);
    assert_eq!(fs::read_dir(fixture.target("out")).unwrap().count(), 5, "nothing is left of the crashes");
    agent.start_kill().unwrap();
    agent.wait().await.unwrap();
}

#[tokio::test]
async fn a_terminated_agent_ends_well_and_its_status_shows_what_it_holds() {
    let mut fixture = Fixture::new().await;
    let mut agent = spawn(&fixture);
    let (mut link, _) = fixture.linked().await;
    link.say(FromServer::Put(put(7, "out", &content(&[("K", "canary-value")]))));
    assert!(matches!(link.hear().await, FromAgent::Ack(_)));
    let process = nix::unistd::Pid::from_raw(agent.id().unwrap().try_into().unwrap());
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM).unwrap();
    let ended = tokio::time::timeout(PATIENCE, agent.wait()).await.unwrap().unwrap();
    assert!(ended.success());
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep-agent"));
    command.arg("status").arg("-o").arg("json").arg("--state-dir").arg(fixture.state());
    let shown = String::from_utf8(command.output().await.unwrap().stdout).unwrap();
    let status: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(status["bindings"][0]["name"], "checkout-db");
    assert_eq!(status["bindings"][0]["revision"]["seq"], 7);
    assert_eq!(status["floor"]["seq"], 7);
    assert!(!shown.contains("canary") && !shown.contains("PRIVATE"), "{shown}");
}
