//! What restarts, and how it goes.

use lockstep_core::binding::{Restart, WORKLOADS_MAX, WorkloadRef};
use lockstep_core::delivery::RestartProgress;
use lockstep_core::id::BindingId;
use lockstep_core::revision::Revision;

use super::selector::{selector, selector_message};
use super::{ProtocolError, binding_id, revision, wrong};
use crate::v1;

/// The most sentences of one kind that a report may bring, and the longest of them, in characters. What is more is cut.
const SENTENCES_MAX: usize = 64;
const SENTENCE_MAX_CHARS: usize = 500;

/// What restarts; absent: nothing.
pub fn restart(message: Option<v1::Restart>) -> Result<Restart, ProtocolError> {
    let Some(message) = message else { return Ok(Restart::None) };
    match message.policy.as_str() {
        "" | "None" => Ok(Restart::None),
        "Auto" => Ok(Restart::Auto),
        "Selected" if message.workloads.len() > WORKLOADS_MAX => {
            Err(wrong("restart.workloads")(format!("more than {WORKLOADS_MAX}")))
        }
        "Selected" => {
            let workload = |w: v1::Workload| {
                let kind = w.kind.parse().map_err(wrong("restart.workloads.kind"))?;
                Ok(WorkloadRef { kind, name: w.name.parse().map_err(|_| ProtocolError::Name("restart.workloads.name"))? })
            };
            Ok(Restart::Selected {
                workloads: message.workloads.into_iter().map(workload).collect::<Result<_, ProtocolError>>()?,
                selector: message.selector.map(|s| selector("restart.selector", s)).transpose()?,
            })
        }
        other => Err(wrong("restart.policy")(format!("{other:?} is none that this version knows"))),
    }
}

/// The other way.
pub fn restart_message(restart: &Restart) -> Option<v1::Restart> {
    match restart {
        Restart::None => None,
        Restart::Auto => Some(v1::Restart { policy: "Auto".to_owned(), ..v1::Restart::default() }),
        Restart::Selected { workloads, selector } => {
            let workload = |w: &WorkloadRef| v1::Workload { kind: w.kind.as_str().to_owned(), name: w.name.to_string() };
            Some(v1::Restart {
                policy: "Selected".to_owned(),
                workloads: workloads.iter().map(workload).collect(),
                selector: selector.as_ref().map(selector_message),
            })
        }
    }
}

/// How the restarts of one revision of a binding go. Sentences come without what a database cannot hold.
pub fn restart_report(message: &v1::RestartReport) -> Result<(BindingId, Revision, RestartProgress), ProtocolError> {
    let sentence = |text: &String| text.chars().filter(|c| *c != '\0').take(SENTENCE_MAX_CHARS).collect();
    let sentences = |texts: &[String]| texts.iter().take(SENTENCES_MAX).map(sentence).collect();
    let progress = RestartProgress {
        restarted: message.restarted,
        total: message.total,
        healthy: message.healthy,
        stuck: sentences(&message.stuck),
        skipped: sentences(&message.skipped),
    };
    Ok((binding_id(&message.binding)?, revision(message.revision)?, progress))
}

/// The other way.
pub fn restart_report_message(binding: BindingId, revision: Revision, progress: RestartProgress) -> v1::RestartReport {
    v1::RestartReport {
        binding: binding.uuid().as_bytes().to_vec(),
        revision: Some(revision.into()),
        restarted: progress.restarted,
        total: progress.total,
        healthy: progress.healthy,
        stuck: progress.stuck,
        skipped: progress.skipped,
    }
}

#[cfg(test)]
mod tests {
    use lockstep_core::binding::WorkloadKind;
    use lockstep_core::revision::{Epoch, Seq};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_sent_is_what_arrives() {
        let workload = WorkloadRef { kind: WorkloadKind::DaemonSet, name: "log.v2".parse().unwrap() };
        for sent in [
            Restart::None,
            Restart::Auto,
            Restart::Selected { workloads: vec![workload], selector: None },
            Restart::Selected { workloads: Vec::new(), selector: Some("app=a".parse().unwrap()) },
        ] {
            assert_eq!(restart(restart_message(&sent)).unwrap(), sent);
        }
        let (binding, revision) = (Uuid::from_u128(4).into(), Revision { epoch: Epoch::new(1), seq: Seq::new(9) });
        let progress = RestartProgress {
            restarted: 2,
            total: 3,
            healthy: 1,
            stuck: vec!["Deployment a/b: one pod is not ready".into()],
            skipped: vec!["Deployment a/c is paused".into()],
        };
        let message = restart_report_message(binding, revision, progress.clone());
        assert_eq!(restart_report(&message).unwrap(), (binding, revision, progress));
    }

    #[test]
    fn what_breaks_the_protocol_is_refused_and_what_is_too_much_is_cut() {
        let selected = |kind: &str, name: &str| v1::Restart {
            policy: "Selected".into(),
            workloads: vec![v1::Workload { kind: kind.into(), name: name.into() }],
            selector: None,
        };
        let many = v1::Restart { workloads: vec![v1::Workload::default(); WORKLOADS_MAX + 1], ..selected("", "") };
        let unknown = v1::Restart { policy: "Always".into(), ..v1::Restart::default() };
        for bad in [selected("CronJob", "a"), selected("Deployment", "A"), many, unknown] {
            assert!(restart(Some(bad.clone())).is_err(), "{bad:?}");
        }
        assert!(restart_report(&v1::RestartReport::default()).is_err());
        let long = v1::RestartReport {
            binding: vec![0; 16],
            revision: Some(v1::Revision::default()),
            stuck: vec![format!("a\0{}", "b".repeat(1_000)); 100],
            ..v1::RestartReport::default()
        };
        let (_, _, progress) = restart_report(&long).unwrap();
        assert_eq!((progress.stuck.len(), progress.stuck[0].len()), (SENTENCES_MAX, SENTENCE_MAX_CHARS));
    }
}
