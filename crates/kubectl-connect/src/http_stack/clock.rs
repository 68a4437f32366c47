//! What time it is at the API server, told by its `Date` headers.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::DATE;
use k8s_openapi::jiff::{Timestamp, fmt::rfc2822};

/// Beyond this a header that is behind the estimate means that the server's clock was set back.
const SLACK: Duration = Duration::from_secs(2);

/// The server's clock; the laptop's may be minutes off, and ages must not be.
#[derive(Clone, Debug, Default)]
pub struct ServerClock {
    last: Arc<Mutex<Option<(Timestamp, Instant)>>>,
}

impl ServerClock {
    /// Returns the time at the server, once it has answered a request.
    ///
    /// It is right to a second, the grain of the header, and does not run backwards.
    pub fn now(&self) -> Option<Timestamp> {
        let last = *self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        last.and_then(|(date, seen)| date.checked_add(seen.elapsed()).ok())
    }

    pub(crate) fn observe(&self, headers: &HeaderMap) {
        let date = headers
            .get(DATE)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| rfc2822::parse(text).ok());
        if let Some(date) = date {
            self.set(date.timestamp(), Instant::now());
        }
    }

    fn set(&self, date: Timestamp, seen: Instant) {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Headers are cut to the second, so the one furthest ahead is the nearest to the truth.
        let ahead = last.and_then(|(date, at)| date.checked_add(seen.saturating_duration_since(at)).ok());
        if ahead.is_none_or(|ahead| date > ahead || date.checked_add(SLACK).is_ok_and(|date| date < ahead)) {
            *last = Some((date, seen));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn reads_the_header() {
        let clock = ServerClock::default();
        assert_eq!(clock.now(), None);
        let mut headers = HeaderMap::new();
        headers.insert(DATE, "nonsense".parse().unwrap());
        clock.observe(&headers);
        assert_eq!(clock.now(), None);
        headers.insert(DATE, "Tue, 24 Nov 2026 17:19:50 GMT".parse().unwrap());
        clock.observe(&headers);
        let now = clock.now().unwrap();
        assert!(now >= at("2026-11-24T17:19:50Z") && now < at("2026-11-24T17:19:55Z"), "{now}");
    }

    #[test]
    fn runs_forwards_unless_set_back() {
        let clock = ServerClock::default();
        let start = Instant::now();
        clock.set(at("2026-01-01T00:00:10Z"), start);
        clock.set(at("2026-01-01T00:00:10Z"), start + Duration::from_millis(900));
        assert_eq!(clock.last.lock().unwrap().unwrap().1, start);
        clock.set(at("2026-01-01T00:00:12Z"), start + Duration::from_millis(950));
        assert_eq!(clock.last.lock().unwrap().unwrap().0, at("2026-01-01T00:00:12Z"));
        clock.set(at("2026-01-01T00:00:02Z"), start + Duration::from_secs(1));
        assert_eq!(clock.last.lock().unwrap().unwrap().0, at("2026-01-01T00:00:02Z"));
    }
}
