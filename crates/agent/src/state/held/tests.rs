use super::*;
use crate::state::ledger::Held;
use lockstep_core::binding::{Restart, SecretTarget, Target};
use lockstep_core::digest::{Digest, DigestKeyId};
use lockstep_core::history::ChangeHash;
use lockstep_core::namespaces::AllowedNamespaces;
use lockstep_core::revision::{Epoch, Revision, Seq};
use std::collections::BTreeSet;
use uuid::Uuid;

/// As a cluster with many teams has it: names of some length, a namespace for each ten bindings, digests that are random.
fn realistic(bindings: usize) -> Contents {
    let team = |number: usize| ["checkout", "payments", "search", "ledger"][number % 4];
    let holding = |number: usize| Held {
        name: format!("{}-{}-{number}", team(number), ["db", "tls", "api"][number % 3]),
        revision: Revision { epoch: Epoch::new(1), seq: Seq::new(100_000 + number as u64 * 7 % 50_000) },
        digest: Digest { key: DigestKeyId::new("01933b3a-6d1c-7e6a-8f57-3c2b1a0d9e8f".into()), hmac: rand::random() },
        target: Target::Secret(SecretTarget::new(
            format!("{}-credentials-{number}", team(number)).parse().unwrap(),
            vec![format!("team-{}-prod", number / 10).parse().unwrap()],
        )),
        sources: Vec::new(),
        allowed: AllowedNamespaces::default(),
        reached: BTreeSet::new(),
        unfinished: false,
        restart: Restart::None,
        former: Vec::new(),
        purge_former: false,
    };
    let floor = Mark { epoch: Epoch::new(1), seq: Seq::new(150_000), hash: ChangeHash::new([1; 32]) };
    let held = (0..bindings).map(|number| (Uuid::now_v7().into(), Arc::new(Holding::Held(holding(number)))));
    Contents { floor: Some(floor), held: held.collect() }
}

#[test]
fn what_is_packed_comes_out_again_and_garbage_is_named_not_quoted() {
    let contents = realistic(3);
    assert_eq!(packed::unpack(&packed::pack(&contents).unwrap()).unwrap(), contents);
    assert_eq!(packed::unpack(b"canary"), Err("not gzip".to_owned()));
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, b"\"canary\"").unwrap();
    let error = packed::unpack(&encoder.finish().unwrap()).unwrap_err();
    assert!(error.contains("column") && !error.contains("canary"), "{error}");
}

#[test]
fn ten_thousand_bindings_fit_into_one_secret() {
    let bytes = packed::pack(&realistic(10_000)).unwrap().len();
    let fit = HELD_MAX_BYTES * 10_000 / bytes;
    println!("10,000 bindings take {} KiB of {} KiB; about {fit} would fit", bytes >> 10, HELD_MAX_BYTES >> 10);
    assert!(bytes <= HELD_MAX_BYTES, "{bytes}");
}

#[test]
fn what_came_or_went_is_written_after_a_second_and_what_moved_after_ten_and_a_slow_write_less_often() {
    let second = Duration::from_secs;
    for (took_ms, change, want_ms) in [
        (0, Change::Shaped, 101_000),
        (20, Change::Shaped, 101_000),
        (40, Change::Shaped, 102_000),
        (5_000, Change::Shaped, 103_000),
        (0, Change::Moved, 110_000),
        (5_000, Change::Moved, 110_000),
    ] {
        let written = Written { at: second(100), took: Duration::from_millis(took_ms) };
        assert_eq!(due(Some(&written), change), Duration::from_millis(want_ms), "{took_ms} ms, {change:?}");
        assert_eq!(due(None, change), Duration::ZERO);
    }
    assert_eq!(Some(Change::Moved).max(Some(Change::Shaped)), Some(Change::Shaped));
    assert_eq!(None.max(Some(Change::Moved)), Some(Change::Moved));
}
