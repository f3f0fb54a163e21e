//! How durations and rates are written in settings, and how ranges are checked and told.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Error;

/// So many in this time, evenly; and so many at once after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many.
    pub count: u32,
    /// In this time.
    pub per: Duration,
}

const RATE_UNITS: [(&str, u64); 3] = [("s", 1), ("min", 60), ("h", 3_600)];
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

/// Reads `"10/min"`: a whole number and one of `s`, `min` and `h`; `"off"` is none.
pub(super) fn parse_rate(text: &str) -> Option<Option<Rate>> {
    if text == "off" {
        return Some(None);
    }
    let (count, unit) = text.split_once('/')?;
    let (_, seconds) = RATE_UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let is_plain = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let count = count.parse().ok().filter(|_| is_plain)?;
    Some(Some(Rate { count, per: Duration::from_secs(seconds) }))
}

/// Writes a rate as it is read.
pub(super) fn rate_text(rate: Option<Rate>) -> String {
    let Some(rate) = rate else { return "off".to_owned() };
    let unit = RATE_UNITS.into_iter().find(|(_, seconds)| rate.per.as_secs() <= *seconds).map_or("h", |(name, _)| name);
    format!("{}/{unit}", rate.count)
}

/// Refuses a rate that lets nobody in, or is none.
pub(super) fn check_rate(setting: &str, rate: Option<Rate>) -> Result<(), Error> {
    match rate {
        Some(rate) if !(1..=1_000_000).contains(&rate.count) => {
            Err(Error::setting(setting, "is out of range: give a rate from \"1/h\" to \"1000000/s\", or \"off\""))
        }
        _ => Ok(()),
    }
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
    fn a_rate_is_a_whole_number_in_a_second_a_minute_or_an_hour_and_prints_as_it_is_read() {
        for (text, count, seconds) in [("10/min", 10, 60), ("1/s", 1, 1), ("100/h", 100, 3600), ("0/s", 0, 1)] {
            let rate = Rate { count, per: Duration::from_secs(seconds) };
            assert_eq!((parse_rate(text), rate_text(Some(rate)).as_str()), (Some(Some(rate)), text));
        }
        assert_eq!((parse_rate("off"), rate_text(None).as_str()), (Some(None), "off"));
        for text in [
            "",
            "10",
            "/min",
            "10/",
            "10/m",
            "10/sec",
            "10/minute",
            "10 /min",
            "+1/s",
            "-1/s",
            "1.5/s",
            "OFF",
            "10/min/s",
            "4294967296/s",
            "10/d",
        ] {
            assert_eq!(parse_rate(text), None, "{text}");
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
