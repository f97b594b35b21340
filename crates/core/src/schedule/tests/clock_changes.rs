//! Due times over the days on which clocks are set forward and back. The tables are those of `docs/schedules.md`.

use std::str::FromStr as _;

use super::*;

/// The due times from midnight of `day` to midnight of the next, as local times with their offset.
fn on(day: &str, zone: &str, text: &str) -> Vec<String> {
    let schedule = schedule(text, zone);
    let date: NaiveDate = day.parse().unwrap();
    let midnight = |date: NaiveDate| {
        let local = date.and_time(chrono::NaiveTime::MIN).and_local_timezone(schedule.zone);
        local.earliest().unwrap().to_utc()
    };
    let (begin, end) = (midnight(date), midnight(date.succ_opt().unwrap()));
    let times = schedule.after(begin - TimeDelta::seconds(1)).take_while(|due| *due < end);
    times.map(|due| due.with_timezone(&schedule.zone).format("%H:%M%:z").to_string()).collect()
}

#[test]
fn a_time_of_day_is_met_once_also_where_the_clocks_leave_it_out_or_repeat_it() {
    let (berlin, york) = ("Europe/Berlin", "America/New_York");
    for (day, zone, text, want) in [
        // 02:00 to 03:00 is left out.
        ("2026-03-29", berlin, "59 1 * * *", vec!["01:59+01:00"]),
        ("2026-03-29", berlin, "0 2 * * *", vec!["03:00+02:00"]),
        ("2026-03-29", berlin, "30 2 * * *", vec!["03:00+02:00"]),
        ("2026-03-29", berlin, "0,30 2 * * *", vec!["03:00+02:00"]),
        ("2026-03-29", berlin, "0 3 * * *", vec!["03:00+02:00"]),
        ("2026-03-29", berlin, "0 1-4 * * *", vec!["01:00+01:00", "03:00+02:00", "04:00+02:00"]),
        ("2026-03-29", berlin, "30 2,3 * * *", vec!["03:00+02:00", "03:30+02:00"]),
        ("2026-03-29", berlin, "0 2,14 * * *", vec!["03:00+02:00", "14:00+02:00"]),
        ("2026-03-08", york, "30 2 * * *", vec!["03:00-04:00"]),
        ("2026-03-08", york, "0 3 * * *", vec!["03:00-04:00"]),
        // 02:00 to 03:00 (New York: 01:00 to 02:00) comes twice.
        ("2026-10-25", berlin, "0 2 * * *", vec!["02:00+02:00"]),
        ("2026-10-25", berlin, "30 2 * * *", vec!["02:30+02:00"]),
        ("2026-10-25", berlin, "0,30 2 * * *", vec!["02:00+02:00", "02:30+02:00"]),
        ("2026-10-25", berlin, "0 2,14 * * *", vec!["02:00+02:00", "14:00+01:00"]),
        ("2026-10-25", berlin, "0 3 * * *", vec!["03:00+01:00"]),
        ("2026-10-25", berlin, "0 1-4 * * *", vec!["01:00+02:00", "02:00+02:00", "03:00+01:00", "04:00+01:00"]),
        ("2026-11-01", york, "30 1 * * *", vec!["01:30-04:00"]),
        ("2026-11-01", york, "0 2 * * *", vec!["02:00-05:00"]),
    ] {
        assert_eq!(on(day, zone, text), want, "{text} in {zone} on {day}");
    }
}

#[test]
fn a_beat_goes_on_by_the_clock_on_the_wall() {
    let (berlin, york) = ("Europe/Berlin", "America/New_York");
    for (day, zone, text, count, around) in [
        ("2026-03-29", berlin, "*/15 * * * *", 92, vec!["01:45+01:00", "03:00+02:00", "03:15+02:00"]),
        ("2026-03-29", berlin, "0 * * * *", 23, vec!["01:00+01:00", "03:00+02:00"]),
        ("2026-03-29", berlin, "0 */2 * * *", 11, vec!["00:00+01:00", "04:00+02:00"]),
        ("2026-03-29", berlin, "*/15 2 * * *", 0, vec![]),
        ("2026-10-25", berlin, "*/15 * * * *", 100, vec!["02:45+02:00", "02:00+01:00", "02:15+01:00"]),
        ("2026-10-25", berlin, "0 * * * *", 25, vec!["02:00+02:00", "02:00+01:00", "03:00+01:00"]),
        ("2026-10-25", berlin, "*/30 2 * * *", 4, vec!["02:00+02:00", "02:30+02:00", "02:00+01:00", "02:30+01:00"]),
        ("2026-10-25", berlin, "*/15 2 * * *", 8, vec!["02:45+02:00", "02:00+01:00"]),
        ("2026-10-25", berlin, "0 */2 * * *", 13, vec!["02:00+02:00", "02:00+01:00", "04:00+01:00"]),
        ("2026-03-08", york, "*/15 * * * *", 92, vec!["01:45-05:00", "03:00-04:00"]),
        ("2026-11-01", york, "*/15 * * * *", 100, vec!["01:45-04:00", "01:00-05:00"]),
    ] {
        let times = on(day, zone, text);
        assert_eq!(times.len(), count, "{text} in {zone} on {day}: {times:?}");
        assert!(around.is_empty() || times.windows(around.len()).any(|w| w == around), "{text} on {day}: {times:?}");
    }
}

/// Every minute of two days is asked whether the clock on the wall shows a time that is meant.
#[test]
fn a_beat_is_due_exactly_when_the_clock_on_the_wall_says_so() {
    for (zone, begin) in [
        ("Europe/Berlin", "2026-03-28T12:00:00Z"),
        ("Europe/Berlin", "2026-10-24T12:00:00Z"),
        ("America/New_York", "2026-03-07T12:00:00Z"),
        ("America/New_York", "2026-10-31T12:00:00Z"),
        // Half an hour, back and forth; a whole day left out; three hours back.
        ("Australia/Lord_Howe", "2026-04-04T00:00:00Z"),
        ("Australia/Lord_Howe", "2026-10-03T00:00:00Z"),
        ("Pacific/Apia", "2011-12-29T12:00:00Z"),
        ("Antarctica/Casey", "2010-03-04T12:00:00Z"),
    ] {
        for text in ["* * * * *", "*/7 * * * *", "*/15 * * * *", "20 * * * *", "0 */2 * * *", "*/20 1-2 * * *", "* 2 * * SUN"] {
            let schedule = schedule(text, zone);
            let minutes = (1..=2 * 24 * 60).map(|minute| at(begin) + TimeDelta::minutes(minute));
            let want: Vec<_> =
                minutes.filter(|at| schedule.cron.is_time_matching(&at.with_timezone(&schedule.zone)).unwrap()).collect();
            let end = at(begin) + TimeDelta::days(2);
            let got: Vec<_> = schedule.after(at(begin)).take_while(|due| *due <= end).collect();
            assert_eq!(got, want, "{text} in {zone} from {begin}");
        }
    }
}

#[test]
fn no_time_of_day_is_due_twice_or_lost_in_a_year_of_any_zone() {
    for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Antarctica/Troll", "UTC"] {
        for text in ["0 0 * * *", "0 1 * * *", "59 1 * * *", "30 2 * * *", "0 3 * * *", "30 23 * * *"] {
            let schedule = schedule(text, zone);
            let year: Vec<_> = schedule.after(at("2026-01-01T12:00:00Z")).take(366).collect();
            let days: Vec<_> = year.iter().map(|due| due.with_timezone(&schedule.zone).date_naive()).collect();
            assert!(days.windows(2).all(|pair| pair[1] - pair[0] == TimeDelta::days(1)), "{text} in {zone}: {days:?}");
        }
    }
}

/// Why the walk is ours. When this fails, croner has learnt it, and `walk` may go.
#[test]
fn croners_own_search_and_iterator_go_back_in_time_within_a_repeated_hour() {
    let cron = Cron::from_str("*/15 * * * *").unwrap();
    let second_pass = at("2026-10-25T01:05:00Z").with_timezone(&Tz::Europe__Berlin);
    let next = cron.find_next_occurrence(&second_pass, false).unwrap();
    assert!(next < second_pass, "croner gives {next}");
    let passes: Vec<_> = cron.iter_after(at("2026-10-24T23:50:00Z").with_timezone(&Tz::Europe__Berlin)).take(8).collect();
    assert!(!passes.is_sorted(), "croner gives {passes:?}");
    assert_eq!(schedule("*/15 * * * *", "Europe/Berlin").next_after(second_pass.to_utc()), Some(at("2026-10-25T01:15:00Z")));
}
