//! Permissions of a file, as classes write them and as the driver says them.

use super::refusal::Refusal;

/// Of a file: 0 to 0o777.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mode(i32);

impl Mode {
    /// Where neither the driver nor the class says another.
    pub(super) const DEFAULT: Self = Self(0o644);
    const MAX: i32 = 0o777;

    fn new(number: i32) -> Option<Self> {
        (0..=Self::MAX).contains(&number).then_some(Self(number))
    }

    /// For the driver.
    pub(super) const fn bits(self) -> i32 {
        self.0
    }

    /// The driver's own for the volume: a JSON number, decimal.
    pub(super) fn of_request(permission: &str) -> Result<Self, Refusal> {
        let text = permission.trim();
        if text.is_empty() {
            return Ok(Self::DEFAULT);
        }
        let mode = text.parse().ok().and_then(Self::new);
        mode.ok_or_else(|| Refusal::invalid(format!("the driver's permission {text:?} is no number from 0 to 511")))
    }

    /// As YAML 1.1 reads it, which Kubernetes' tools write: `0600` and `0o600` are octal, `384` is the same in decimal. 0 says nothing, as with
    /// Vault's provider.
    pub(super) fn of_class(text: &str) -> Result<Option<Self>, String> {
        let digits = text.trim();
        let octal = digits.strip_prefix("0o").or_else(|| digits.strip_prefix('0'));
        let number = match octal {
            Some("") => Ok(0),
            Some(octal) => i32::from_str_radix(octal, 8),
            None => digits.parse::<i32>(),
        };
        // What i32 takes beside digits.
        let is_number = digits.bytes().all(|b| b.is_ascii_digit() || b == b'o');
        let number = number.ok().filter(|_| is_number).ok_or_else(|| format!("{digits:?} is no number such as 0600"))?;
        let wrong =
            || format!("{digits} is {number:#o} in octal, and the most is 0777: write it with a 0 before it, such as 0600");
        Ok(Some(Self::new(number).ok_or_else(wrong)?).filter(|mode| mode.0 != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_before_a_number_means_octal_and_nothing_else_does() {
        for (text, bits) in
            [("0600", 0o600), ("0o600", 0o600), ("384", 0o600), ("0644", 0o644), ("0777", 0o777), (" 0400 ", 0o400)]
        {
            assert_eq!(Mode::of_class(text).unwrap(), Some(Mode(bits)), "{text}");
        }
        for nothing in ["0", "00", "0o0"] {
            assert_eq!(Mode::of_class(nothing).unwrap(), None, "{nothing}");
        }
        for (text, part) in [
            ("600", "0o1130 in octal"),
            ("01000", "the most is 0777"),
            ("0888", "is no number"),
            ("-1", "is no number"),
            ("+0600", "is no number"),
            ("0+600", "is no number"),
            ("rw", "is no number"),
            ("", "is no number"),
            ("99999999999999999999", "is no number"),
        ] {
            let error = Mode::of_class(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_drivers_number_is_decimal() {
        assert_eq!(Mode::of_request("420").unwrap(), Mode(0o644));
        assert_eq!(Mode::of_request("").unwrap(), Mode::DEFAULT);
        for wrong in ["512", "-1", "\"420\"", "rw"] {
            assert!(Mode::of_request(wrong).is_err(), "{wrong}");
        }
    }
}
