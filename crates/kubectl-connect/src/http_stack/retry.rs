//! When to ask again: only when the server says so, as client-go does.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

/// How often a request is repeated.
pub(crate) const MOST_RETRIES: u32 = 10;

/// Returns how long to wait before a request is sent again whose connection broke: not at all the first time, for the server may
/// just have closed a connection that was kept, and a second from then on (`rest/with_retry.go`).
pub(crate) fn wait_after_break(tried: u32) -> Duration {
    Duration::from_secs(u64::from(tried > 0))
}

/// Returns how long the server wants to be left alone before the same request is sent again.
pub(crate) fn wait_before_retry(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error() {
        return None;
    }
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse::<i64>().ok()?;
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(status: u16, header: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert(RETRY_AFTER, value.parse().unwrap());
        }
        wait_before_retry(StatusCode::from_u16(status).unwrap(), &headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn only_the_header_makes_it_retry() {
        assert_eq!(wait(429, Some("1")), Some(1));
        assert_eq!(wait(429, Some("-1")), Some(0));
        assert_eq!(wait(503, Some("0")), Some(0));
        assert_eq!(wait(500, Some("5")), Some(5));
        assert_eq!(wait(503, None), None);
        assert_eq!(wait(429, None), None);
        assert_eq!(wait(409, Some("1")), None);
        assert_eq!(wait(200, Some("1")), None);
        assert_eq!(wait(503, Some("Tue, 24 Nov 2026 17:19:50 GMT")), None);
    }
}
