use super::*;

fn hour(h: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::hours(h)
}

fn made(at: DateTime<Utc>, published: Option<DateTime<Utc>>) -> Times {
    Times { not_before: at, not_after: at + LIFE, published }
}

#[test]
fn a_node_that_reads_once_a_day_trusts_every_certificate_for_ten_years() {
    let (mut list, mut trusted, mut signers): (Vec<Times>, Vec<Times>, Vec<Times>) = Default::default();
    for now in (0..10 * 365 * 24).map(hour) {
        list.retain(|times| !times.has_ended(now));
        if is_next_due(list.iter().copied(), now) {
            list.push(made(now, None));
        }
        for times in &mut list {
            times.published.get_or_insert(now);
        }
        // At another time of the day than what is made, the first day aside.
        if trusted.is_empty() || now.timestamp() / 3600 % 24 == 23 {
            trusted.clone_from(&list);
        }
        let signer = list[signer(list.iter().copied(), now).expect("there is always one")];
        assert!(trusted.contains(&signer), "{now}: not known to the node yet");
        assert!(signer.not_after - now > TimeDelta::days(100), "{now}: what it signs would end early");
        assert!(list.len() <= 2, "{now}: {list:?}");
        if signers.last() != Some(&signer) {
            signers.push(signer);
        }
    }
    assert_eq!(signers.len(), 15, "one in eight months");
}

#[test]
fn the_next_one_is_due_at_two_thirds_of_the_newest_ones_life_or_if_there_is_none() {
    let two_thirds = 365 * 24 * 2 / 3;
    for (list, now, want) in [
        (vec![], 0, true),
        (vec![made(hour(0), None)], two_thirds - 1, false),
        (vec![made(hour(0), None)], two_thirds, true),
        (vec![made(hour(0), None), made(hour(two_thirds), None)], two_thirds, false),
        (vec![made(hour(0), None)], 365 * 24, true),
        // The clock was set back.
        (vec![made(hour(100), None)], 0, false),
    ] {
        assert_eq!(is_next_due(list.iter().copied(), hour(now)), want, "{list:?} in hour {now}");
    }
}

#[test]
fn the_newest_that_was_published_for_a_day_signs_and_else_the_one_published_first() {
    let old = made(hour(0), Some(hour(0)));
    for (list, now, want) in [
        (vec![], 0, None),
        (vec![made(hour(0), None)], 0, Some(0)),
        (vec![old, made(hour(6000), None)], 6000, Some(0)),
        (vec![old, made(hour(6000), Some(hour(6000)))], 6023, Some(0)),
        (vec![old, made(hour(6000), Some(hour(6000)))], 6024, Some(1)),
        // As they come.
        (vec![made(hour(6000), Some(hour(6000))), old], 6024, Some(0)),
        // Publishing failed for long, and the old one has ended.
        (vec![old, made(hour(6000), None)], 365 * 24, Some(1)),
        (vec![made(hour(2), None), made(hour(1), None), made(hour(3), Some(hour(3)))], 4, Some(2)),
    ] {
        assert_eq!(signer(list.iter().copied(), hour(now)), want, "{list:?} in hour {now}");
    }
}

#[test]
fn a_serving_certificate_is_renewed_at_two_thirds_and_when_the_clock_was_set_back() {
    for (now, want) in [(9, true), (10, false), (25, false), (26, true), (40, true)] {
        assert_eq!(is_renewal_due(hour(10), hour(34), hour(now)), want, "hour {now}");
    }
}
