//! The value of `--request-timeout`.

use std::time::Duration;

const WRONG: &str = "Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a \
                     corresponding time unit (e.g. 1s | 2m | 3h)";

/// Reads a number of seconds or a Go duration; what is not above zero means no limit and is `None`.
pub fn parse_request_timeout(text: &str) -> Result<Option<Duration>, String> {
    let (below, positive) = match text.strip_prefix('-') {
        Some(rest) if !rest.starts_with('+') => (true, rest),
        _ => (false, text),
    };
    let duration = match positive.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => go_duration(positive).ok_or_else(|| WRONG.to_owned())?,
    };
    Ok((!below && !duration.is_zero()).then_some(duration))
}

/// Reads a sequence of numbers with units, such as `1h30m` or `1.5s`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..number_end].parse().ok()?;
        let unit_end = rest[number_end..]
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .map_or(rest.len(), |end| number_end + end);
        total += number * unit_seconds(&rest[number_end..unit_end])?;
        rest = &rest[unit_end..];
    }
    Duration::try_from_secs_f64(total).ok()
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_kubectl_reads() {
        for (text, millis) in
            [("5", 5000), ("5s", 5000), ("1m30s", 90_000), ("1.5s", 1500), ("250ms", 250), ("+2h", 7_200_000)]
        {
            assert_eq!(parse_request_timeout(text), Ok(Some(Duration::from_millis(millis))), "{text}");
        }
        assert_eq!(parse_request_timeout("0"), Ok(None));
        assert_eq!(parse_request_timeout("0s"), Ok(None));
        assert_eq!(parse_request_timeout("-5s"), Ok(None));
        assert_eq!(parse_request_timeout("-1"), Ok(None));
        for text in ["", "-", "-+1s", "--1", "s", "5x", "1m5", "1..2s", "inf", "NaNs"] {
            assert!(parse_request_timeout(text).is_err(), "{text}");
        }
    }
}
