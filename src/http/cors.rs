//! CORS (Fetch Standard s3.2): the pages of which other origins may read what is answered. Origins are compared whole; without any, it is off.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN,
};

/// Every method that a route has. What a path does not have is told by the request itself.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PATCH, DELETE");
/// What a page may send besides what it always may.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("Authorization, Content-Type, X-Request-Id");
/// What a page may read besides what it always may: why it was refused, when to try again, and what to quote to an operator.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("WWW-Authenticate, X-Request-Id, Retry-After");
/// Seconds for which a browser need not ask again. An origin that is taken off the list can read nothing from then on all the same: its
/// answers lack what a preflight never promised.
const MAX_AGE: HeaderValue = HeaderValue::from_static("3600");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// Whose pages may read answers.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    origins: Vec<String>,
}

/// Where a request comes from, as far as its answer depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// No page of another origin, or nobody asks about origins.
    Any,
    /// A page of an allowed origin.
    Allowed(HeaderValue),
    /// A page that may not read the answer.
    Foreign,
}

impl Cors {
    /// For pages of these origins, as browsers send them.
    pub fn new(origins: &[String]) -> Self {
        Self { origins: origins.to_vec() }
    }

    /// Where a request for this path comes from.
    pub fn page(&self, path: &str, headers: &HeaderMap) -> Page {
        let mut sent = headers.get_all(ORIGIN);
        match (sent.next(), sent.next()) {
            _ if self.origins.is_empty() || is_for_gateways(path) => Page::Any,
            (None, _) => Page::Any,
            (Some(origin), None) if self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) => {
                Page::Allowed(origin.clone())
            }
            (Some(_), _) => Page::Foreign,
        }
    }
}

/// What asks there is a gateway on behalf of a page, with that page's headers. A preflight answered well would let the page past the gateway
/// without a credential.
fn is_for_gateways(path: &str) -> bool {
    path.strip_prefix("/auth/verify").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a browser asks if it may ask.
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Yes, it may.
pub fn admit_preflight() -> HttpResponse {
    let mut response = HttpResponse::NoContent().finish();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}

impl Page {
    /// Lets a page of an allowed origin read an answer, whatever it is.
    pub fn admit(&self, headers: &mut HeaderMap) {
        if let Page::Allowed(origin) = self {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const APP: &str = "https://app.example.com";

    fn page(path: &str, origins: &[&str]) -> Page {
        let mut headers = HeaderMap::new();
        origins.iter().for_each(|origin| headers.append(ORIGIN, HeaderValue::from_str(origin).unwrap()));
        Cors::new(&[APP.to_owned()]).page(path, &headers)
    }

    #[test]
    fn e21_only_the_whole_origin_counts() {
        assert_eq!(page("/me", &[APP]), Page::Allowed(HeaderValue::from_static(APP)));
        assert_eq!(page("/me", &[]), Page::Any);
        for origin in [
            "null",
            "*",
            "",
            "https://evilapp.example.com",
            "https://app.example.com.evil.example",
            "https://x.app.example.com",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com:443",
            "https://app.example.com/",
            "https://APP.example.com",
            "https://app.example.com, https://evil.example",
        ] {
            assert_eq!(page("/me", &[origin]), Page::Foreign, "{origin}");
        }
        assert_eq!(page("/me", &[APP, APP]), Page::Foreign);
    }

    #[test]
    fn what_gateways_ask_is_not_for_pages() {
        for path in ["/auth/verify", "/auth/verify/", "/auth/verify/orders/7"] {
            assert_eq!(page(path, &[APP]), Page::Any, "{path}");
        }
        assert_ne!(page("/auth/verifyx", &[APP]), Page::Any);
    }

    #[test]
    fn without_origins_it_is_off() {
        let mut headers = HeaderMap::new();
        headers.append(ORIGIN, HeaderValue::from_static(APP));
        assert_eq!(Cors::default().page("/me", &headers), Page::Any);
    }
}
