//! Time as a value. Nothing here reads a clock.

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// A moment on the host's monotonic clock: nanoseconds since its beginning, which lies ten years before the host's start, so
/// that what happened under earlier hosts is a moment too.
///
/// Decisions use it because the wall clock may jump; results use [`WallTime`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonoTime(u64);

impl MonoTime {
    /// The beginning of the clock.
    pub const ZERO: Self = Self(0);
    /// Later than every moment that can be reached.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment `nanos` nanoseconds after the beginning.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the beginning.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for MonoTime {
    type Output = Self;
    /// Saturates at [`MonoTime::NEVER`].
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for MonoTime {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// A moment of the wall clock: microseconds since 1970-01-01T00:00:00Z.
///
/// Displayed as RFC 3339 with milliseconds, in UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(i64);

impl WallTime {
    /// The moment `micros` microseconds after 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339, for example `2026-11-23T12:00:00Z`.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_microsecond()))
    }

    /// Time since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for WallTime {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.text() {
            return f.write_str(text.as_str());
        }
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl Serialize for WallTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.text() {
            Some(text) => serializer.serialize_str(text.as_str()),
            None => serializer.collect_str(self),
        }
    }
}

/// `2026-11-23T12:00:00.000Z`, without an allocation.
struct Text([u8; 24]);

impl Text {
    fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("digits and signs")
    }

    /// Writes `number` with leading zeros.
    fn put<const DIGITS: usize>(&mut self, at: usize, mut number: u64) {
        for digit in self.0[at..at + DIGITS].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
}

impl WallTime {
    /// As it is written, of moments from 1970 on; the few others go through the calendar's own writer. There are three in
    /// each result, which that writer took longer for than everything else in the line.
    fn text(self) -> Option<Text> {
        /// The calendar ends shortly before the year 10000.
        const END: u64 = 253_402_207_200;
        const DAY: u64 = 86_400;
        let millis = u64::try_from(self.0).ok()? / 1000;
        let seconds = millis / 1000;
        if seconds >= END {
            return None;
        }
        let (year, month, day) = date(seconds / DAY);
        let second = seconds % DAY;
        let mut text = Text(*b"0000-00-00T00:00:00.000Z");
        text.put::<4>(0, year);
        text.put::<2>(5, month);
        text.put::<2>(8, day);
        text.put::<2>(11, second / 3600);
        text.put::<2>(14, second / 60 % 60);
        text.put::<2>(17, second % 60);
        text.put::<3>(20, millis % 1000);
        Some(text)
    }
}

/// Year, month and day of the day that is so many days after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    /// From 0000-03-01 to 1970-01-01: years that begin in March have their leap day last.
    const SHIFT: u64 = 719_468;
    /// 400 years, and what they are made of.
    const ERA: u64 = 146_097;
    const CENTURY: u64 = 36_524;
    const FOUR_YEARS: u64 = 1460;
    let days = days + SHIFT;
    let day_of_era = days % ERA;
    let year_of_era = (day_of_era - day_of_era / FOUR_YEARS + day_of_era / CENTURY - day_of_era / (ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // March is 0. Five months have 153 days, wherever they begin.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (days / ERA * 400 + year_of_era + next_year, month, day)
}

impl<'de> Deserialize<'de> for WallTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an RFC 3339 moment")))
    }
}

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration; write a number with a unit, for example `200ms`, `30s`, `5m` or `1h 30m`")]
pub struct BadDuration(String);

/// Reads `200ms`, `30s`, `5m`, `1h 30m`, `7d`. A unit is required; negative and larger than 10 years are refused.
pub fn parse_duration(text: &str) -> Result<Duration, BadDuration> {
    let bad = || BadDuration(text.to_owned());
    let trimmed = text.trim();
    // A bare number would need a guess about its unit.
    if trimmed.is_empty() || !trimmed.ends_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(bad());
    }
    let span: jiff::Span = trimmed.parse().map_err(|_| bad())?;
    if span.is_negative() || span.get_years() != 0 || span.get_months() != 0 {
        return Err(bad());
    }
    let signed = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| bad())?;
    let duration = Duration::try_from(signed).map_err(|_| bad())?;
    if duration > Duration::from_secs(10 * 365 * 86_400) { Err(bad()) } else { Ok(duration) }
}

/// Writes a duration as people do: `850ms`, `12.4s`, `3m 20s`, `2h 5m`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration < Duration::from_secs(1) {
        format!("{}ms", duration.as_millis())
    } else if seconds < 60 {
        format!("{:.1}s", (duration.as_secs_f64() * 10.0).floor() / 10.0)
    } else if seconds < 3600 {
        format!("{}m {}s", seconds / 60, seconds % 60)
    } else {
        format!("{}h {}m", seconds / 3600, seconds % 3600 / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_have_bounds() {
        assert_eq!(parse_duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        for bad in ["", "5", "-1s", "ten", "5 parsecs", "1y", "99999d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn wall_time_is_written_in_milliseconds_utc() {
        let moment = WallTime::parse("2026-11-23T12:00:00.5Z").unwrap();
        assert_eq!(moment.to_string(), "2026-11-23T12:00:00.500Z");
        assert_eq!((moment + Duration::from_millis(250)).to_string(), "2026-11-23T12:00:00.750Z");
    }

    #[test]
    fn wall_time_is_written_as_the_calendar_writes_it() {
        const DAY: i64 = 86_400_000_000;
        let calendar = |micros| jiff::Timestamp::from_microsecond(micros).map(|moment| format!("{moment:.3}"));
        // A day of each week of ten thousand years at a moment of its own, and what lies outside of them.
        let days =
            (-800_000..2_950_000).step_by(7).map(|day| day * DAY + day.wrapping_mul(7_919_123_457).rem_euclid(DAY));
        let edges = [0, -1, 999, 1000, DAY - 1, 253_402_207_199_999_999, 253_402_207_200_000_000, i64::MAX, i64::MIN];
        for micros in days.chain(edges) {
            let moment = WallTime::from_micros(micros);
            let expected = calendar(micros).unwrap_or_else(|_| format!("{micros}us"));
            assert_eq!(moment.to_string(), expected);
        }
        assert_eq!(serde_json::to_string(&WallTime::from_micros(1)).unwrap(), "\"1970-01-01T00:00:00.000Z\"");
        assert_eq!(serde_json::to_string(&WallTime::from_micros(-1000)).unwrap(), "\"1969-12-31T23:59:59.999Z\"");
    }

    #[test]
    fn durations_are_written_for_people() {
        assert_eq!(format_duration(Duration::from_millis(850)), "850ms");
        assert_eq!(format_duration(Duration::from_millis(12_450)), "12.4s");
        assert_eq!(format_duration(Duration::from_secs(200)), "3m 20s");
        assert_eq!(format_duration(Duration::from_secs(7500)), "2h 5m");
    }
}
