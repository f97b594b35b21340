use super::*;

mod clock_changes;

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

pub(super) fn schedule(text: &str, zone: &str) -> Schedule {
    Schedule::new(text, Some(zone)).unwrap_or_else(|e| panic!("{text} {zone}: {e}"))
}

#[test]
fn the_words_of_cronjob_are_taken() {
    for (text, from, next) in [
        ("@hourly", "2026-03-10T10:20:30Z", "2026-03-10T11:00:00Z"),
        ("@daily", "2026-03-10T00:00:00Z", "2026-03-11T00:00:00Z"),
        ("@midnight", "2026-03-10T00:00:00.5Z", "2026-03-11T00:00:00Z"),
        ("@weekly", "2026-03-10T00:00:00Z", "2026-03-15T00:00:00Z"),
        ("@monthly", "2026-03-10T00:00:00Z", "2026-04-01T00:00:00Z"),
        ("@yearly", "2026-03-10T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("@annually", "2026-03-10T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("*/15 * * * *", "2026-03-10T10:45:00Z", "2026-03-10T11:00:00Z"),
        ("30 3 * * MON-FRI", "2026-03-13T03:30:00Z", "2026-03-16T03:30:00Z"),
        ("0 4 1,15 * *", "2026-03-10T00:00:00Z", "2026-03-15T04:00:00Z"),
        ("0 0 13 * 5", "2026-03-10T00:00:00Z", "2026-03-13T00:00:00Z"),
        ("0 0 13 * 5", "2026-03-13T00:00:00Z", "2026-03-20T00:00:00Z"),
        ("0 0 * jan sun", "2026-03-10T00:00:00Z", "2027-01-03T00:00:00Z"),
        ("0 0 29 2 *", "2026-03-10T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 0 29 2 *", "2096-03-10T00:00:00Z", "2104-02-29T00:00:00Z"),
        ("0 2 L * *", "2026-02-10T00:00:00Z", "2026-02-28T02:00:00Z"),
        ("0 2 15W * *", "2026-02-10T00:00:00Z", "2026-02-16T02:00:00Z"),
        ("0 2 * * SUN#1", "2026-03-10T00:00:00Z", "2026-04-05T02:00:00Z"),
        ("0 2 * * 5L", "2026-03-10T00:00:00Z", "2026-03-27T02:00:00Z"),
        ("*/10 * * * * *", "2026-03-10T23:59:55Z", "2026-03-11T00:00:00Z"),
        ("5 59 23 31 12 *", "2026-12-31T23:59:05Z", "2027-12-31T23:59:05Z"),
        ("7 59 23 31 12 *", "2026-12-31T23:59:05Z", "2026-12-31T23:59:07Z"),
    ] {
        let next_after = Schedule::new(text, None).unwrap().next_after(at(from));
        assert_eq!(next_after, Some(at(next)), "{text:?} after {from}");
    }
}

#[test]
fn anything_else_is_refused_with_a_sentence() {
    for (text, said) in [
        ("", "the five fields of cron"),
        ("* * * *", "the five fields of cron"),
        ("* * * * * * *", "the five fields of cron"),
        ("60 * * * *", "the five fields of cron"),
        ("* 24 * * *", "the five fields of cron"),
        ("*/0 * * * *", "the five fields of cron"),
        ("0 0 * * XYZ", "the five fields of cron"),
        ("TZ=Europe/Berlin 0 0 * * *", "write it as timeZone"),
        ("CRON_TZ=UTC 0 0 * * *", "write it as timeZone"),
        ("@every 1h", "@every is not taken"),
        ("@reboot", "is not known"),
        ("0 0 30 2 *", "is never due"),
        ("0 0 31 4,6,9,11 *", "is never due"),
        (", * * * *", "is never due"),
        (&"1,".repeat(200), "at most 256 bytes"),
    ] {
        let refusal = Schedule::new(text, None).expect_err(text).to_string();
        assert!(refusal.contains(said), "{text:?}: {refusal}");
    }
}

#[test]
fn the_time_zone_counts() {
    let (utc, berlin) = (Schedule::new("0 3 * * *", None).unwrap(), schedule("0 3 * * *", "Europe/Berlin"));
    let noon = at("2026-07-01T12:00:00Z");
    assert_eq!(utc.next_after(noon), Some(at("2026-07-02T03:00:00Z")));
    assert_eq!(berlin.next_after(noon), Some(at("2026-07-02T01:00:00Z")));
}

#[test]
fn it_is_stored_as_its_texts() {
    let berlin = schedule("0 3 * * *", "Europe/Berlin");
    let json = serde_json::to_string(&berlin).unwrap();
    assert_eq!(json, r#"{"schedule":"0 3 * * *","timeZone":"Europe/Berlin"}"#);
    assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), berlin);
    let utc = Schedule::new("@daily", None).unwrap();
    assert_eq!(serde_json::to_string(&utc).unwrap(), r#"{"schedule":"@daily"}"#);
    let refusal = serde_json::from_str::<Schedule>(r#"{"schedule":"@dayly"}"#).unwrap_err().to_string();
    assert!(refusal.contains("use @hourly, @daily"), "{refusal}");
}

#[test]
fn the_shortest_interval_is_found_among_some_hundred() {
    for (text, zone, seconds) in [
        ("* * * * * *", "UTC", 1),
        ("*/7 * * * *", "UTC", 240),
        ("@hourly", "Europe/Berlin", 3_600),
        ("0 1,2,12 * * *", "UTC", 3_600),
        ("0 12 * * *", "UTC", 86_400),
        // The day on which the clocks are set forward.
        ("0 12 * * *", "Europe/Berlin", 82_800),
        ("0 0 29 2 *", "UTC", 1_461 * 86_400),
    ] {
        assert_eq!(schedule(text, zone).shortest_interval(), TimeDelta::seconds(seconds), "{text} {zone}");
    }
}

#[test]
fn the_last_due_time_of_a_span_is_found() {
    for (text, after, until, last) in [
        ("@hourly", "2026-03-10T10:00:00Z", "2026-03-10T10:59:59Z", None),
        ("@hourly", "2026-03-10T10:00:00Z", "2026-03-10T11:00:00Z", Some("2026-03-10T11:00:00Z")),
        ("@hourly", "2026-03-10T09:59:59.9Z", "2026-03-10T10:59:59Z", Some("2026-03-10T10:00:00Z")),
        ("@hourly", "2020-03-10T09:59:59Z", "2026-03-10T10:59:59Z", Some("2026-03-10T10:00:00Z")),
        ("@yearly", "2020-03-10T09:59:59Z", "2026-03-10T10:59:59Z", Some("2026-01-01T00:00:00Z")),
        // A burst once a year, looked back on from far away.
        ("* * 1 1 *", "2020-03-10T09:59:59Z", "2026-03-10T10:59:59Z", Some("2026-01-01T23:59:00Z")),
        ("@hourly", "2026-03-10T11:00:00Z", "2026-03-10T10:00:00Z", None),
    ] {
        let found = Schedule::new(text, None).unwrap().last_within(at(after), at(until));
        assert_eq!(found, last.map(at), "{text} in ({after}, {until}]");
    }
}
