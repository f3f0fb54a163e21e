//! How durations are written in settings, and how ranges are checked and told.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Error;

const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Reads `"90s"`, `"5m"`, `"12h"` or `"7d"`: a whole number and one unit.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let (unit, seconds) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    let number = text.strip_suffix(unit)?;
    // `parse` would take a sign.
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs)
}

/// Writes a duration in the largest unit that divides it.
pub(super) fn duration_text(duration: Duration) -> String {
    let total = duration.as_secs();
    let (unit, seconds) = UNITS.into_iter().find(|(_, seconds)| total > 0 && total.is_multiple_of(*seconds)).unwrap_or(("s", 1));
    format!("{}{unit}", total / seconds)
}

/// Refuses a number outside its range.
pub(super) fn check_number<T: PartialOrd + Display>(setting: &str, value: T, range: RangeInclusive<T>) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::setting(setting, format!("is out of range: give a whole number from {} to {}", range.start(), range.end())))
}

/// Refuses a duration outside its range.
pub(super) fn check_duration(setting: &str, value: Duration, range: RangeInclusive<Duration>) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = (duration_text(*range.start()), duration_text(*range.end()));
    Err(Error::setting(setting, format!("is out of range: give a duration from \"{low}\" to \"{high}\"")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_one_unit() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("5m", 300), ("12h", 43_200), ("7d", 604_800), ("007s", 7)] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "s", "5", "5 m", "-5s", "+5s", "1.5h", "5M", "1h30m", "5ms", "300seconds", "99999999999999999999s", "9999999999999999999d"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_printed_duration_reads_back_as_the_same() {
        for seconds in [0, 1, 59, 60, 90, 300, 3_600, 5_400, 86_400, 604_800] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(parse_duration(&duration_text(duration)), Some(duration));
        }
        assert_eq!(duration_text(Duration::from_secs(300)), "5m");
    }
}
