//! Names of time zones.

use chrono_tz::{TZ_VARIANTS, Tz};

use super::ScheduleError;

/// The longest name that a near one is looked for.
const NAME_MAX_BYTES: usize = 64;

/// How many letters may be wrong in a name for another to be suggested.
const WRONG_LETTERS_MAX: usize = 2;

pub(super) fn parse(name: &str) -> Result<Tz, ScheduleError> {
    name.parse().map_err(|_| ScheduleError::Zone { name: name.chars().take(NAME_MAX_BYTES).collect(), near: near(name) })
}

/// The zone of that name in other letters, of that city, or with a letter or two mistyped.
fn near(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > NAME_MAX_BYTES {
        return None;
    }
    let asked = name.to_ascii_lowercase().replace(' ', "_");
    let all = || TZ_VARIANTS.iter().map(|zone| zone.name());
    let city = |name: &str| name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    all()
        .find(|zone| zone.to_ascii_lowercase() == asked)
        .or_else(|| all().find(|zone| zone.contains('/') && city(zone) == city(&asked)))
        .or_else(|| {
            let close = all().map(|zone| (wrong_letters(&zone.to_ascii_lowercase(), &asked), zone)).min()?;
            (close.0 <= WRONG_LETTERS_MAX && close.0 < asked.len()).then_some(close.1)
        })
}

/// Levenshtein's distance: how many letters must be put, left out or changed.
fn wrong_letters(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_zone_is_refused_with_a_near_name() {
        for (name, near) in [
            ("europe/berlin", Some("Europe/Berlin")),
            ("Berlin", Some("Europe/Berlin")),
            ("Europe/Berlinn", Some("Europe/Berlin")),
            ("America/New York", Some("America/New_York")),
            ("Local", None),
            ("", None),
            ("Mars/Olympus_Mons", None),
        ] {
            assert_eq!(parse(name), Err(ScheduleError::Zone { name: name.to_owned(), near }), "{name}");
        }
        let said = parse("Berlin").unwrap_err().to_string();
        assert_eq!(said, "\"Berlin\" is not a time zone of the IANA database; did you mean Europe/Berlin?");
        assert_eq!(parse("Etc/UTC").map(Tz::name), Ok("Etc/UTC"));
    }
}
