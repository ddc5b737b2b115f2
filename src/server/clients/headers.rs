//! `anthropic-ratelimit-*`: a limit, what is left of it, and when it is whole again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};

/// How far a limit of a minute is used up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Level {
    of: &'static str,
    limit: u32,
    remaining: u32,
}

impl Level {
    pub(super) fn of(of: &'static str, limit: u32, remaining: u32) -> Self {
        Self { of, limit, remaining }
    }

    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let Self { of, limit, remaining } = self;
        let missing = u64::from(limit.saturating_sub(*remaining));
        let whole_in = Duration::from_secs((missing * 60).div_ceil(u64::from(*limit).max(1)));
        let values = [
            ("limit", limit.to_string()),
            ("remaining", remaining.to_string()),
            ("reset", rfc3339(SystemTime::now() + whole_in)),
        ];
        for (name, value) in values {
            let name = HeaderName::try_from(format!("anthropic-ratelimit-{of}-{name}"));
            if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
    }
}

/// In UTC, to the second.
fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The date of a day since 1970, counted in eras of 400 years that begin in March.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_has_them() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_825_600, "2000-02-29T12:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_105_036_800, "2100-01-31T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn a_level_is_three_headers() {
        let mut headers = HeaderMap::new();
        Level::of("requests", 60, 59).write(&mut headers);
        assert_eq!(headers["anthropic-ratelimit-requests-limit"], "60");
        assert_eq!(headers["anthropic-ratelimit-requests-remaining"], "59");
        assert!(headers["anthropic-ratelimit-requests-reset"].to_str().unwrap().ends_with('Z'));
    }
}
