//! JSON bodies as the contract has them: objects in UTF-8, at most 16 KiB, arriving within 10 s, nothing unknown and nothing twice.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::Error;

/// The longest body that is read, in bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024;
/// How long a body may take to arrive. The HTTP library itself would wait for ever.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON object read into `T`, which refuses unknown members by `#[serde(deny_unknown_fields)]`; repeated ones serde refuses by itself.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let announced = check(request.headers());
        let payload = payload.take();
        Box::pin(async move {
            let body = read_in_time(payload, announced?).await?;
            parse(&body).map(JsonBody)
        })
    }
}

/// Like [`JsonBody`], but no body at all is the default of `T`: for routes whose members are all optional.
#[derive(Debug)]
pub struct OptionalJsonBody<T>(pub T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalJsonBody<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let is_announced = headers.contains_key(TRANSFER_ENCODING) || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
        if !is_announced {
            return Box::pin(async { Ok(Self(T::default())) });
        }
        let body = JsonBody::from_request(request, payload);
        Box::pin(async move { body.await.map(|JsonBody(value)| Self(value)) })
    }
}

/// The length that [`announced`] tells, of what says that it is JSON.
fn check(headers: &HeaderMap) -> Result<usize, Error> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_json(media_type) || headers.contains_key(CONTENT_ENCODING) {
        return Err(Error::UnsupportedMediaType);
    }
    announced(headers)
}

/// The most bytes that are going to come. Turns away at once what says itself that it is too long.
pub(super) fn announced(headers: &HeaderMap) -> Result<usize, Error> {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|length| length.parse::<u64>().ok());
    match declared.map_or(Ok(MAX_BODY_BYTES), usize::try_from) {
        // What comes in chunks is as long as it turns out to be (RFC 9112 s6.3).
        Ok(length) if length <= MAX_BODY_BYTES => Ok(if headers.contains_key(TRANSFER_ENCODING) { MAX_BODY_BYTES } else { length }),
        _ => Err(Error::PayloadTooLarge),
    }
}

/// `application/json`, with no parameter but `charset=utf-8`.
fn is_json(media_type: &str) -> bool {
    is_utf8_of(media_type, "application/json")
}

/// This media type, with no parameter but `charset=utf-8`.
pub(super) fn is_utf8_of(media_type: &str, essence: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    parts.next().is_some_and(|sent| sent.eq_ignore_ascii_case(essence))
        && parts.all(|parameter| parameter.eq_ignore_ascii_case("charset=utf-8") || parameter.eq_ignore_ascii_case("charset=\"utf-8\""))
}

/// A whole body that is neither too long nor too slow.
pub(super) async fn read_in_time(payload: Payload, announced: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    tokio::time::timeout(BODY_TIMEOUT, read(payload, announced)).await.map_err(|_| Error::RequestTimeout)?
}

/// A body may hold a password: it is wiped when it has been read.
async fn read(mut payload: Payload, announced: usize) -> Result<Zeroizing<Vec<u8>>, Error> {
    // Reserved whole, since growing would leave copies behind that nobody wipes.
    let mut body = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Error::InvalidRequest)?;
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(Error::PayloadTooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    // serde would take an array for a struct, by position.
    let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if !is_object {
        return Err(Error::InvalidRequest);
    }
    serde_json::from_slice(body).map_err(|_| Error::InvalidRequest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn as_much_room_is_made_as_a_body_announces_and_all_there_may_be_for_one_that_does_not() {
        let announced = |headers: &[(&str, &str)]| {
            let mut map = HeaderMap::new();
            headers.iter().for_each(|(name, value)| map.append(name.parse().unwrap(), value.parse().unwrap()));
            announced(&map).ok()
        };
        assert_eq!(announced(&[("content-length", "0")]), Some(0));
        assert_eq!(announced(&[("content-length", "70")]), Some(70));
        assert_eq!(announced(&[("content-length", "16384")]), Some(MAX_BODY_BYTES));
        assert_eq!(announced(&[("content-length", "16385")]), None);
        assert_eq!(announced(&[("content-length", "18446744073709551615")]), None);
        assert_eq!(announced(&[]), Some(MAX_BODY_BYTES));
        assert_eq!(announced(&[("transfer-encoding", "chunked")]), Some(MAX_BODY_BYTES));
        assert_eq!(announced(&[("transfer-encoding", "chunked"), ("content-length", "3")]), Some(MAX_BODY_BYTES));
    }

    #[test]
    fn c22_json_is_utf_8_only() {
        for media_type in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
            "application/json; charset=\"utf-8\"",
        ] {
            assert!(is_json(media_type), "{media_type}");
        }
        for media_type in [
            "",
            "text/plain",
            "application/json; charset=utf-16",
            "application/json; version=1",
            "application/jsonx",
            "application/problem+json",
            "multipart/form-data",
        ] {
            assert!(!is_json(media_type), "{media_type}");
        }
    }
}
