//! The id of a request, the caller's own or a new one.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::header::{HeaderMap, HeaderName};
use uuid::Builder;

use crate::clock::unix_millis;

/// Where it is read from and written to.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: in the answer, in a problem's body, and in every log line about it.
#[derive(Clone, Debug)]
pub struct RequestId(String);

impl RequestId {
    /// The caller's own id if it is harmless, else a new UUIDv7 (RFC 9562 s5.7).
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| is_harmless(id));
        Self(sent.map_or_else(new_id, str::to_owned))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_harmless(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Differs from all others, and is no secret: so it asks the system for no random numbers. Every request gets an id before anything else
/// happens, and has to be answered also where there are none.
fn new_id() -> String {
    static PROCESS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut bits = [0; 10];
    bits[..8].copy_from_slice(&PROCESS.hash_one(count).to_ne_bytes());
    bits[8..].copy_from_slice(&count.to_be_bytes()[6..]);
    Builder::from_unix_timestamp_millis(unix_millis(), &bits).into_uuid().to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn o9_only_a_harmless_request_id_is_taken_over() {
        for (sent, taken) in [("abc-123", true), ("", false), ("a b", false), ("a\u{7f}", false), ("x_y", false)] {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_str(sent) {
                headers.insert(X_REQUEST_ID, value);
            }
            assert_eq!(RequestId::of(&headers).as_str() == sent, taken, "{sent:?}");
        }
        assert!(!is_harmless(&"a".repeat(65)) && is_harmless(&"a".repeat(64)));
    }

    #[test]
    fn new_ids_are_of_version_7_of_now_and_all_different() {
        let before = unix_millis();
        let ids: HashSet<_> = (0..10_000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 10_000);
        for id in ids {
            let id = uuid::Uuid::parse_str(&id).unwrap();
            assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
            let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
            let millis = seconds * 1000 + u64::from(nanos) / 1_000_000;
            assert!((before..=unix_millis()).contains(&millis), "{millis}");
        }
    }
}
