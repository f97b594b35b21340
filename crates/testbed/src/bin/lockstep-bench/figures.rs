//! Medians, percentiles, ratios.

use std::time::Duration;

/// The least time that so many hundredths of all do not exceed (nearest rank), in milliseconds; 0 for nothing.
pub(crate) fn percentile_ms(times: &[Duration], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

/// The middle one; of an even number, the greater of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_medians() {
        let times: Vec<_> = (1..=100).rev().map(Duration::from_millis).collect();
        for (percent, want) in [(0, 1.0), (50, 50.0), (99, 99.0), (100, 100.0)] {
            assert!((percentile_ms(&times, percent) - want).abs() < 1e-9, "{percent}");
        }
        assert!(percentile_ms(&[], 50).abs() < 1e-9 && median(&[]).abs() < 1e-9);
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
    }
}
