//! Durations as kubectl reads them and ages as kubectl shows them.

use std::time::Duration;

use k8s_openapi::jiff::{Timestamp, Unit};

/// The ways in which a duration can be wrong, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text is no duration at all.
    #[error("time: invalid duration {0:?}")]
    Invalid(String),
    /// A number has no unit.
    #[error("time: missing unit in duration {0:?}")]
    MissingUnit(String),
    /// A unit is not one of `ns us ms s m h`.
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// What stands in the unit's place.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// The duration lies in the past, which no flag here has a meaning for.
    #[error("negative duration {0:?}")]
    Negative(String),
}

/// Returns a time in whole seconds, as the API writes it.
pub fn rfc3339(at: Timestamp) -> String {
    at.round(Unit::Second).unwrap_or(at).to_string()
}

/// Returns a limit in whole seconds, rounded up; 0 is none.
pub fn limit(duration: Duration) -> Option<i64> {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i64::try_from(seconds).ok().filter(|seconds| *seconds > 0)
}

/// Reads a duration as Go does: `30s`, `5m`, `1h30m`, `1.5h`, `0`; usable as a clap value parser.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let invalid = || DurationError::Invalid(text.to_string());
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let number = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, tail) = rest.split_at(number);
        if !digits.contains(|c: char| c.is_ascii_digit()) || digits.matches('.').count() > 1 {
            return Err(invalid());
        }
        let unit_end = tail.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(text.to_string()));
        }
        let scale = nanoseconds(unit)
            .ok_or_else(|| DurationError::UnknownUnit { unit: unit.to_string(), text: text.to_string() })?;
        let nanos = scaled(digits, scale).ok_or_else(invalid)?;
        total = total.checked_add(Duration::from_nanos(nanos)).ok_or_else(invalid)?;
        rest = tail;
    }
    if negative && !total.is_zero() {
        return Err(DurationError::Negative(text.to_string()));
    }
    Ok(total)
}

/// A moment as a command line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A time.
    At(Timestamp),
    /// So long ago.
    Ago(Duration),
}

impl Moment {
    /// Returns the moment in whole seconds, which is how exact the API's times are.
    pub fn before(self, now: Timestamp) -> Timestamp {
        let at = match self {
            Moment::At(at) => at,
            Moment::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
        };
        Timestamp::from_second(at.as_second()).unwrap_or(at)
    }
}

/// Reads a time as in RFC 3339, or a duration back; usable as a clap value parser.
pub fn moment(text: &str) -> Result<Moment, String> {
    let ago = parse(text).map(Moment::Ago);
    ago.or_else(|_| text.parse().map(Moment::At)).map_err(|_| {
        format!("neither a time such as 2026-01-31T14:00:00Z nor a duration back such as 30m: {text:?}")
    })
}

fn nanoseconds(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Multiplies a decimal number with a unit; none beyond Go's range of about 292 years.
fn scaled(digits: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = whole.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.bytes() {
        // Truncates below a nanosecond; more digits than the unit has places add nothing.
        nanos = nanos.checked_add(u64::from(digit - b'0') * place / 10)?;
        place /= 10;
    }
    (nanos <= i64::MAX as u64).then_some(nanos)
}

/// Formats a number of seconds as kubectl's AGE column does: `5s`, `2m3s`, `3h5m`, `4d6h`.
///
/// One second before now is forgiven, as clocks differ; earlier is `<invalid>`.
pub fn human(seconds: i64) -> String {
    let pair = |big: i64, unit: &str, small: i64, sub: &str| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{sub}") }
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    match () {
        () if seconds < -1 => "<invalid>".to_string(),
        () if seconds < 0 => "0s".to_string(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => pair(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => pair(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 24 * 8 => pair(days, "d", hours % 24, "h"),
        () if hours < 24 * 365 * 2 => format!("{days}d"),
        () if hours < 24 * 365 * 8 => pair(days / 365, "y", days % 365, "d"),
        () => format!("{}y", days / 365),
    }
}

/// Formats the time between two moments as kubectl's AGE column does.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    human(now.as_second() - then.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in [
            ("0", 0),
            ("-0", 0),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1h15m30.918s", 4_530_918),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("5.s", 5_000),
            ("250ms", 250),
            ("1000us", 1),
            ("1000µs", 1),
            ("+5s", 5_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("0.3333333333333333333h"), Ok(Duration::from_nanos(1_199_999_999_998)));
    }

    #[test]
    fn wrong_durations_are_refused_in_gos_words() {
        for (text, message) in [
            ("", r#"time: invalid duration """#),
            ("3", r#"time: missing unit in duration "3""#),
            ("1m30", r#"time: missing unit in duration "1m30""#),
            ("1d", r#"time: unknown unit "d" in duration "1d""#),
            (".s", r#"time: invalid duration ".s""#),
            ("s", r#"time: invalid duration "s""#),
            ("1.2.3s", r#"time: invalid duration "1.2.3s""#),
            ("3000000h", r#"time: invalid duration "3000000h""#),
            ("-5s", r#"negative duration "-5s""#),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn ages_look_as_in_kubectl() {
        const M: i64 = 60;
        const H: i64 = 60 * M;
        const D: i64 = 24 * H;
        for (seconds, shown) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (2 * M, "2m"),
            (2 * M + 3, "2m3s"),
            (10 * M + 1, "10m"),
            (3 * H - 1, "179m"),
            (3 * H, "3h"),
            (3 * H + 5 * M, "3h5m"),
            (8 * H + 5 * M, "8h"),
            (2 * D - 1, "47h"),
            (2 * D, "2d"),
            (4 * D + 6 * H, "4d6h"),
            (8 * D + 6 * H, "8d"),
            (365 * D, "365d"),
            (2 * 365 * D, "2y"),
            (2 * 365 * D + 3 * D, "2y3d"),
            (8 * 365 * D + 3 * D, "8y"),
        ] {
            assert_eq!(human(seconds), shown, "{seconds}");
        }
    }

    #[test]
    fn moments_are_times_or_durations_back_in_whole_seconds() {
        let now: Timestamp = "2026-01-31T14:00:00.7Z".parse().unwrap();
        for (text, at) in [
            ("2026-01-31T13:00:00Z", "2026-01-31T13:00:00Z"),
            ("2026-01-31T13:00:00.9+01:00", "2026-01-31T12:00:00Z"),
            ("30m", "2026-01-31T13:30:00Z"),
            ("0", "2026-01-31T14:00:00Z"),
        ] {
            assert_eq!(moment(text).unwrap().before(now).to_string(), at, "{text}");
        }
        for text in ["", "yesterday", "2026-01-31", "2026-01-31T14:00:00", "-5m", "1d"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_age_is_the_time_between() {
        let then: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let now: Timestamp = "2026-01-01T00:05:30Z".parse().unwrap();
        assert_eq!(age(then, now), "5m30s");
    }
}
