//! From here to the server: whether it is reached, trusted, and knows who is calling.

use chrono::{DateTime, TimeDelta, Utc};
use lockstep_api::token::Caller;
use serde_json::Value;

use super::certificates::ends;
use super::finding::{Finding, Level};
use crate::clock;
use crate::command::login::may;
use crate::kind::Kind;
use crate::rest::client::Client;
use crate::rest::failure::Failure;
use crate::rest::probe::Probe;

/// Clocks that are further apart make ages wrong; further still, logins at an OIDC issuer.
const APART_WARN: TimeDelta = TimeDelta::seconds(5);
const APART_FAIL: TimeDelta = TimeDelta::seconds(60);
/// A token that ends sooner is to be replaced.
const TOKEN_SOON: TimeDelta = TimeDelta::days(7);
/// Of a certificate's life: it is renewed long before so little is left.
const LIFE_LEFT: i32 = 5;

/// `false`: more cannot be asked.
pub(super) async fn look(client: &Client, findings: &mut Vec<Finding>) -> bool {
    match client.probe().await {
        Ok(probe) => findings.extend(shown(client.server(), &probe, clock::now())),
        // It answers, and says why it cannot serve.
        Err(failure @ Failure::Other(_)) => findings.push(Finding::fail("server", failure.to_string())),
        Err(failure) => {
            findings.push(Finding::fail("server", failure.to_string()));
            return false;
        }
    }
    match client.get::<Caller>(&["caller"]).await {
        Ok(caller) => {
            findings.push(who(&caller));
            findings.extend(token_end(client, &caller, clock::now()).await);
        }
        Err(failure) => {
            findings.push(Finding::fail("token", failure.to_string()));
            return false;
        }
    }
    // The description of the API has the server's version.
    if let Ok(description) = client.get_openly::<Value>("openapi.json").await {
        findings.push(version(description["info"]["version"].as_str().unwrap_or_default(), env!("CARGO_PKG_VERSION")));
    }
    true
}

fn shown(server: &str, probe: &Probe, now: DateTime<Utc>) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("server", format!("{server} is ready and answered in {} ms", probe.took.as_millis()))];
    match probe.certificate {
        Some((from, until)) if until - now < (until - from) / LIFE_LEFT => findings.push(Finding::warn(
            "tls",
            format!(
                "the server's certificate {}, and was not renewed: see docs/certificates.md, and the server's log",
                ends(until, now)
            ),
        )),
        Some((_, until)) => findings.push(Finding::ok("tls", format!("its certificate is trusted and {}", ends(until, now)))),
        None => findings.push(Finding::warn("tls", "the connection is not encrypted: use https:// but for tests".to_owned())),
    }
    findings.extend(probe.ahead.map(clocks));
    findings
}

fn clocks(ahead: TimeDelta) -> Finding {
    let apart = ahead.abs();
    let which = if ahead > TimeDelta::zero() { "behind" } else { "ahead of" };
    let text = format!("this machine's clock is {} s {which} the server's", apart.num_seconds());
    let advice = "ages are shown wrong, and logins may be refused: have both set by NTP";
    match apart {
        apart if apart > APART_FAIL => Finding::fail("clock", format!("{text}: {advice}")),
        apart if apart > APART_WARN => Finding::warn("clock", format!("{text}: {advice}")),
        _ => Finding::ok("clock", "this machine and the server agree on the time".to_owned()),
    }
}

fn who(caller: &Caller) -> Finding {
    let level = if caller.access.is_empty() { Level::Warn } else { Level::Ok };
    Finding::of(level, "token", format!("you are {}: {}", caller.actor, may(&caller.access)))
}

/// Whoever may see tokens sees when his own ends.
async fn token_end(client: &Client, caller: &Caller, now: DateTime<Utc>) -> Option<Finding> {
    let name = caller.actor.strip_prefix("token:")?;
    let tokens = client.list(Kind::Token, &[]).await.ok()?;
    let until = tokens.iter().find(|token| token["name"] == name)?["expiresAt"].as_str()?;
    let until = DateTime::parse_from_rfc3339(until).ok()?.to_utc();
    let advice = format!("make another with `lockstep token create`, and log in with it; {name} {}", ends(until, now));
    (until - now < TOKEN_SOON).then(|| Finding::warn("token", advice))
}

/// The same minor version knows all that the other says.
fn version(server: &str, ours: &str) -> Finding {
    let minor = |text: &str| text.split('.').take(2).collect::<Vec<_>>().join(".");
    if minor(server) == minor(ours) {
        return Finding::ok("version", format!("the server is {server}, this command {ours}"));
    }
    let text = format!("the server is {server}, this command {ours}: install the command of the server's version");
    Finding::warn("version", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_apart_are_told_by_how_much() {
        for (seconds, level) in [(0, Level::Ok), (-4, Level::Ok), (30, Level::Warn), (-3_600, Level::Fail)] {
            assert_eq!(clocks(TimeDelta::seconds(seconds)).level, level, "{seconds}");
        }
        assert!(clocks(TimeDelta::seconds(30)).message.starts_with("this machine's clock is 30 s behind the server's"));
    }

    #[test]
    fn a_certificate_with_little_of_its_life_left_was_not_renewed() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let probe = |left: i64| Probe {
            took: std::time::Duration::from_millis(12),
            ahead: None,
            certificate: Some((now - TimeDelta::days(7 - left), now + TimeDelta::days(left))),
        };
        assert_eq!(shown("https://s", &probe(3), now).iter().map(|f| f.level).collect::<Vec<_>>(), [Level::Ok, Level::Ok]);
        assert_eq!(shown("https://s", &probe(1), now)[1].level, Level::Warn);
    }

    #[test]
    fn another_minor_version_is_worth_a_word() {
        assert_eq!(version("1.2.3", "1.2.0").level, Level::Ok);
        assert_eq!(version("1.3.0", "1.2.0").level, Level::Warn);
    }
}
