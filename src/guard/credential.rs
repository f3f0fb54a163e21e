//! Finds the one credential of a request: a bearer token (RFC 6750 s2.1) or, where a guard was told so, a cookie. The query and the body are
//! never looked at.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};

use super::Refusal;
use super::cookie::{ACCESS_COOKIE, cookie};
use super::csrf::TrustedOrigins;

/// The token of this request, not looked into; from the cookie only if there are origins whose pages may send it.
///
/// # Errors
/// Those of [`bearer`]; [`Refusal::InvalidRequest`] for two credentials, since neither may silently win over the other; [`Refusal::CsrfFailed`]
/// for a cookie that a foreign page made the browser send.
pub(super) fn token<'r>(request: &'r HttpRequest, origins: Option<&TrustedOrigins>) -> Result<Option<&'r [u8]>, Refusal> {
    let bearer = bearer(request.headers())?;
    let Some(origins) = origins else {
        return Ok(bearer);
    };
    match (bearer, cookie(request.headers(), ACCESS_COOKIE)?) {
        (Some(_), Some(_)) => Err(Refusal::InvalidRequest),
        (None, Some(token)) => origins.check(request.method(), request.headers()).map(|()| Some(token)),
        (bearer, None) => Ok(bearer),
    }
}

/// The token of the one `Authorization` header, not looked into; `None` when there is no header, an empty one, or one of another scheme.
///
/// # Errors
/// [`Refusal::InvalidRequest`] for several headers and for `Bearer` without a token after a space.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&[u8]>, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Refusal::InvalidRequest);
    }
    bearer_token(value.as_bytes())
}

/// `credentials = "Bearer" 1*SP b64token`, the scheme in any case (RFC 9110 s11.1).
fn bearer_token(value: &[u8]) -> Result<Option<&[u8]>, Refusal> {
    const SCHEME: &[u8] = b"bearer";
    let Some((scheme, rest)) = value.split_at_checked(SCHEME.len()) else {
        return Ok(None);
    };
    // A longer word, as in `Bearerx T`, is another scheme.
    if !scheme.eq_ignore_ascii_case(SCHEME) || rest.first().is_some_and(|next| is_token_byte(*next)) {
        return Ok(None);
    }
    let token = &rest[rest.iter().take_while(|byte| **byte == b' ').count()..];
    if token.len() == rest.len() || token.is_empty() { Err(Refusal::InvalidRequest) } else { Ok(Some(token)) }
}

/// `tchar` of RFC 9110 s5.6.2, of which the name of a scheme is made.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn b2_b3_the_scheme_is_bearer_in_any_case_and_spaces_may_repeat() {
        for value in ["Bearer T", "bearer T", "BEARER T", "bEaReR T", "Bearer   T"] {
            assert_eq!(bearer_token(value.as_bytes()), Ok(Some(&b"T"[..])), "{value}");
        }
    }

    #[test]
    fn b4_bearer_without_a_token_is_malformed() {
        for value in ["Bearer", "Bearer ", "Bearer    ", "Bearer\tT", "Bearer,T", "bearer=T"] {
            assert_eq!(bearer_token(value.as_bytes()), Err(Refusal::InvalidRequest), "{value}");
        }
    }

    #[test]
    fn b5_b6_b7_other_schemes_are_no_token() {
        for value in ["", "B", "Basic dXNlcjpwdw==", "Digest username=x", "DPoP T", "BearerT", "Bearerx T", "Bearer-T x", "Token T"] {
            assert_eq!(bearer_token(value.as_bytes()), Ok(None), "{value}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_nothing_panics_and_a_token_never_begins_with_a_space(value in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Some(token)) = bearer_token(&value) {
                prop_assert!(!token.is_empty() && token[0] != b' ' && value.ends_with(token));
            }
        }

        #[test]
        fn what_follows_the_scheme_is_the_token_to_the_byte(token in "[A-Za-z0-9._~+/-]{1,40}=*", spaces in 1_usize..4) {
            let value = format!("Bearer{}{token}", " ".repeat(spaces));
            prop_assert_eq!(bearer_token(value.as_bytes()), Ok(Some(token.as_bytes())));
        }
    }
}
