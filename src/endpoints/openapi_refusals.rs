//! What the operations of the OpenAPI document share: refusals, the headers of answers, and the ways to say who asks.

use utoipa::PartialSchema as _;
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Header, Ref, Response, ResponseBuilder, Type};

use crate::guard::cookie::ACCESS_COOKIE;
use crate::http::error::{Document, FieldViolation, OAuthDocument};

pub(super) const REQUEST_ID: &str = "#/components/headers/RequestId";

/// How an error is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Problem,
    OAuth,
}

/// Status, name, and the codes that there are, for everything but `/oauth/*`.
const PROBLEMS: [(u16, &str, &str); 13] = [
    (400, "Malformed", "`invalid_request`: the request is malformed, or shows two credentials at once. `invalid_scope`: at a login."),
    (
        401,
        "Unauthorized",
        "`missing_token`, `invalid_token`: no access token, or none that is good. `insufficient_user_authentication`: the login is too old or \
         too weak. `invalid_credentials`, `otp_required`, `invalid_refresh_token`: what was sent instead of one.",
    ),
    (
        403,
        "Forbidden",
        "`insufficient_scope`: the token lacks a scope or a role. `user_token_required`: a client asks where only people may. \
         `csrf_failed`: a cookie from a foreign page.",
    ),
    (404, "NotFound", "`not_found`: it is not there."),
    (408, "Slow", "`request_timeout`: the body took longer than 10 s to arrive."),
    (409, "Conflict", "`conflict`: it exists already, was changed by somebody else just now, or must not be changed like this."),
    (413, "TooLarge", "`payload_too_large`: the body is larger than 16 KiB."),
    (414, "TooLong", "`uri_too_long`: the target is longer than 8 KiB."),
    (415, "UnsupportedMediaType", "`unsupported_media_type`: the body is not JSON in UTF-8."),
    (422, "Unacceptable", "`validation_failed`: well-formed, and still no value that is taken; `violations` says why."),
    (429, "TooManyRequests", "`too_many_requests`: try again after `Retry-After` seconds."),
    (500, "Failed", "`internal`: a fault of the service."),
    (503, "Unavailable", "`temporarily_unavailable`: try again after `Retry-After` seconds."),
];

/// The same for `/oauth/*`, in the words of RFC 6749.
const OAUTH: [(u16, &str, &str); 8] = [
    (
        400,
        "OAuthMalformed",
        "`invalid_request`, `invalid_grant`, `invalid_scope`, `unauthorized_client`, `unsupported_grant_type` (RFC 6749 s5.2).",
    ),
    (401, "OAuthUnauthorized", "`invalid_client`. With `WWW-Authenticate: Basic` if HTTP Basic was tried."),
    (408, "OAuthSlow", "`invalid_request`: the body took longer than 10 s to arrive."),
    (413, "OAuthTooLarge", "`invalid_request`: the body is larger than 16 KiB."),
    (414, "OAuthTooLong", "`invalid_request`: the target is longer than 8 KiB."),
    (415, "OAuthUnsupportedMediaType", "`invalid_request`: the body is not a form in UTF-8."),
    (429, "OAuthTooManyRequests", "`temporarily_unavailable`: try again after `Retry-After` seconds."),
    (500, "OAuthFailed", "`server_error`: a fault of the service."),
];
const OAUTH_UNAVAILABLE: (u16, &str, &str) = (503, "OAuthUnavailable", "`temporarily_unavailable`: try again after `Retry-After` seconds.");

/// What the refusal with this status is called. A status that is not known is found by the tests, as a reference to nothing.
pub(super) fn refusal_name(form: Form, status: u16) -> &'static str {
    refusals().find(|(of, known, ..)| *of == form && *known == status).map_or("Unknown", |(_, _, name, _)| name)
}

fn refusals() -> impl Iterator<Item = (Form, u16, &'static str, &'static str)> {
    let problems = PROBLEMS.into_iter().map(|(status, name, text)| (Form::Problem, status, name, text));
    let oauth = OAUTH.into_iter().chain([OAUTH_UNAVAILABLE]).map(|(status, name, text)| (Form::OAuth, status, name, text));
    problems.chain(oauth)
}

/// Adds all of it.
pub(super) fn shared(components: ComponentsBuilder) -> ComponentsBuilder {
    let components = components
        .schema("Problem", Document::schema())
        .schema("Violation", FieldViolation::schema())
        .schema("OAuthError", OAuthDocument::schema())
        .header("RequestId", request_id());
    let components =
        refusals().fold(components, |components, (form, status, name, text)| components.response(name, refusal(form, status, text)));
    schemes().into_iter().fold(components, |components, (name, scheme)| components.security_scheme(name, scheme))
}

fn refusal(form: Form, status: u16, text: &str) -> Response {
    let (schema, media_type) = match form {
        Form::Problem => ("Problem", "application/problem+json"),
        Form::OAuth => ("OAuthError", "application/json"),
    };
    let response = ResponseBuilder::new()
        .description(text)
        .content(media_type, Content::new(Some(Ref::from_schema_name(schema))))
        .header_ref("X-Request-Id", Ref::new(REQUEST_ID));
    match status {
        401 => response.header("WWW-Authenticate", said("What would do (RFC 6750, RFC 9470).")),
        429 | 503 => response.header("Retry-After", seconds()),
        _ => response,
    }
    .build()
}

fn request_id() -> Header {
    said("The client's own id if it was harmless, else a new one. The log has more under it.")
}

fn said(description: &str) -> Header {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String));
    header.description = Some(description.to_owned());
    header
}

fn seconds() -> Header {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)));
    header.description = Some("Seconds after which it makes sense to try again.".to_owned());
    header
}

fn schemes() -> [(&'static str, SecurityScheme); 3] {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic);
    let cookie = "The same token for pages in a browser, who asked for cookies when they logged in. Never with a header besides.";
    [
        (
            "accessToken",
            SecurityScheme::Http(bearer.description(Some("An access token from `/login`, `/refresh` or `/oauth/token`.")).build()),
        ),
        ("accessCookie", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(ACCESS_COOKIE, cookie)))),
        (
            "clientSecret",
            SecurityScheme::Http(
                basic.description(Some("A client's id and secret. Or as `client_id` and `client_secret` in the form.")).build(),
            ),
        ),
    ]
}
