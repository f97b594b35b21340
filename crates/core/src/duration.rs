//! Durations as people write them: `30s`, `10m`, `1h30m`, `7d`.
//!
//! As in Go and Kubernetes, with days added and fractions left out: whole numbers of `d`, `h`, `m` and `s`, each unit at most once and
//! the larger before the smaller. In a struct: `#[serde(with = "lockstep_core::duration::text")]`.

use std::time::Duration;

use thiserror::Error;

/// The longest duration, in days: ten years, so that no sum with an instant leaves the calendar.
pub const DAYS_MAX: u64 = 3_660;

/// The units, the largest first, and their seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DurationError {
    /// Not the syntax.
    #[error("{0:?} is not a duration: use whole numbers with d, h, m and s, the larger unit first, as in 30s, 10m, 1h30m or 7d")]
    Syntax(String),
    /// More than [`DAYS_MAX`].
    #[error("{0:?} is more than {DAYS_MAX}d")]
    TooLong(String),
}

/// Reads a duration.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let shown = || text.chars().take(40).collect::<String>();
    let syntax = || DurationError::Syntax(shown());
    let too_long = || DurationError::TooLong(shown());
    let (mut rest, mut units, mut seconds) = (text, UNITS.as_slice(), 0_u64);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(syntax());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let unit = after.chars().next().ok_or_else(syntax)?;
        let at = units.iter().position(|(name, _)| *name == unit).ok_or_else(syntax)?;
        if number.is_empty() {
            return Err(syntax());
        }
        let number: u64 = number.parse().map_err(|_| too_long())?;
        seconds = number.checked_mul(units[at].1).and_then(|part| seconds.checked_add(part)).ok_or_else(too_long)?;
        (rest, units) = (&after[1..], &units[at + 1..]);
    }
    if seconds > DAYS_MAX * UNITS[0].1 { Err(too_long()) } else { Ok(Duration::from_secs(seconds)) }
}

/// Writes a duration so that [`parse`] reads it again; a part of a second is left out.
pub fn print(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut text = String::new();
    for (name, seconds) in UNITS {
        if rest >= seconds {
            text.push_str(&(rest / seconds).to_string());
            text.push(name);
            rest %= seconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A duration as its text, for `#[serde(with = "…")]`.
pub mod text {
    use std::borrow::Cow;
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    /// Writes the text.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::print(*duration))
    }

    /// Reads the text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        super::parse(&Cow::<str>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A duration that may be absent, for `#[serde(default, with = "…")]`.
pub mod optional_text {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    /// Writes the text, or null.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.serialize_some(&super::print(*duration)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the text, or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| super::parse(&text)).transpose().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_in_the_largest_units() {
        for (text, seconds, again) in [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("30s", 30, "30s"),
            ("10m", 600, "10m"),
            ("90m", 5_400, "1h30m"),
            ("1h30m", 5_400, "1h30m"),
            ("24h", 86_400, "1d"),
            ("7d", 604_800, "7d"),
            ("1d2h3m4s", 93_784, "1d2h3m4s"),
            ("3660d", 316_224_000, "3660d"),
        ] {
            let read = parse(text).unwrap();
            assert_eq!(read.as_secs(), seconds, "{text}");
            assert_eq!(print(read), again, "{text}");
            assert_eq!(parse(again), Ok(read), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["", " ", "s", "10", "1.5h", "-1h", "+1h", "1m1h", "1h1h", "1 h", "1w", "1ms", "1hm", "ü", "1ü", "1h "] {
            assert!(matches!(parse(bad), Err(DurationError::Syntax(_))), "{bad:?}");
        }
        for long in ["3661d", "3660d1s", "99999999999999999999s", "18446744073709551615d"] {
            assert!(matches!(parse(long), Err(DurationError::TooLong(_))), "{long:?}");
        }
    }
}
