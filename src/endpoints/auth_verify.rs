//! `ANY /auth/verify`: a gateway asks whether it may pass a request on, and learns in headers whose it is.
//!
//! Verified like any guarded route of this process, from the token and the deny list in memory: a store that is down, or a deny list that
//! has not been refreshed for a while, takes no gateway down. Who wants no such verdict sends no traffic while `/readyz` refuses.

use std::fmt::Write as _;
use std::sync::Once;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use crate::authority;
use crate::guard::forwarded::Rules;
use crate::guard::{AccessToken, Guard, Refusal};
use crate::http::Error;

/// In the place of what a token does not say, so that a header that is missing is always a fault.
const NOTHING: &str = "-";

/// The handler. The body of the request is not looked at.
///
/// # Errors
/// 401 and 403, both with a challenge but for a cookie from elsewhere.
pub async fn verify(request: HttpRequest) -> Result<HttpResponse, Error> {
    let guard = Guard::of(&request)?;
    let rules = Rules::parse(request.query_string()).map_err(|_| broken_rule())?;
    allowed(&guard.authorize_forwarded(&request, &rules)?)
}

/// A gateway's own fault, which its clients can do nothing about: said once, since each of their requests comes by here.
fn broken_rule() -> Refusal {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        log::warn!("a gateway asks /auth/verify by a rule that is unknown, repeated, empty or malformed, so it refuses everybody there: the rules are scope, role and max_age");
    });
    Refusal::InsufficientRole
}

fn allowed(token: &AccessToken) -> Result<HttpResponse, Error> {
    let mut response = HttpResponse::new(StatusCode::OK);
    let answer = response.headers_mut();
    // Six here and as many of every answer: one table instead of three that are grown out of each other.
    answer.reserve(12);
    say(answer, "x-auth-subject", [token.subject()])?;
    say(answer, "x-auth-client", [token.client_id()])?;
    say(answer, "x-auth-scope", token.scope().iter())?;
    say(answer, "x-auth-roles", token.roles())?;
    say(answer, "x-auth-session", token.session_id())?;
    answer.insert(HeaderName::from_static("x-auth-expires"), HeaderValue::from(token.expires_at()));
    Ok(response)
}

fn say<'a>(answer: &mut HeaderMap, name: &'static str, words: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    let mut words = words.into_iter();
    let value = match (words.next(), words.next()) {
        // Nearly always, and then it is copied as it is.
        (Some(word), None) if is_plain(word) => HeaderValue::from_str(word),
        (first, second) => HeaderValue::try_from(visible(first.into_iter().chain(second).chain(words))),
    };
    // Visible ASCII only, so this does not fail.
    let value = value.map_err(|error| authority::Error::Internal(error.into()))?;
    answer.insert(HeaderName::from_static(name), value);
    Ok(())
}

/// Whether a word stands for itself.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word != NOTHING && word.bytes().all(is_visible)
}

fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'%'
}

/// The words with a space between two of them. What is not visible ASCII is percent-encoded (RFC 3986 s2.1), and so is `%`, and a lone `-`:
/// two tokens that say different things never look alike.
fn visible<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for word in words.into_iter().filter(|word| !word.is_empty()) {
        if !text.is_empty() {
            text.push(' ');
        }
        if word.bytes().all(is_visible) {
            text.push_str(word);
            continue;
        }
        for byte in word.bytes() {
            // Writing to a String does not fail.
            let _ = if is_visible(byte) { text.write_char(char::from(byte)) } else { write!(text, "%{byte:02X}") };
        }
    }
    match text.as_str() {
        "" => text.push_str(NOTHING),
        NOTHING => "%2D".clone_into(&mut text),
        _ => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h18_whatever_a_claim_holds_the_header_is_visible_ascii_and_unambiguous() {
        for (words, header) in [
            (&["usr_1"][..], "usr_1"),
            (&["a", "b"], "a b"),
            (&[], "-"),
            (&[""], "-"),
            (&["-"], "%2D"),
            (&["-", "-"], "- -"),
            (&["a b"], "a%20b"),
            (&["a%20b"], "a%2520b"),
            (&["x\r\nSet-Cookie: y"], "x%0D%0ASet-Cookie:%20y"),
            (&["\u{e4}\0\u{7f}"], "%C3%A4%00%7F"),
        ] {
            assert_eq!(visible(words.iter().copied()), header);
        }
    }
}
