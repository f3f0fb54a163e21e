//! `ANY /auth/verify`: a gateway asks whether it may pass a request on, and learns in headers whose it is.
//!
//! Verified like any guarded route of this process, from the token and the deny list in memory: a store that is down, or a deny list that
//! has not been refreshed for a while, takes no gateway down. Who wants no such verdict sends no traffic while `/readyz` refuses.

use std::fmt::Write as _;
use std::sync::Once;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};

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
    let mut answer = HttpResponse::Ok();
    say(&mut answer, "x-auth-subject", [token.subject()])?;
    say(&mut answer, "x-auth-client", [token.client_id()])?;
    say(&mut answer, "x-auth-scope", token.scope().iter())?;
    say(&mut answer, "x-auth-roles", token.roles())?;
    say(&mut answer, "x-auth-session", token.session_id())?;
    answer.insert_header((HeaderName::from_static("x-auth-expires"), HeaderValue::from(token.expires_at())));
    Ok(answer.finish())
}

fn say<'a>(answer: &mut HttpResponseBuilder, name: &'static str, words: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    // Visible ASCII only, so this does not fail.
    let value = HeaderValue::try_from(visible(words)).map_err(|error| authority::Error::Internal(error.into()))?;
    answer.insert_header((HeaderName::from_static(name), value));
    Ok(())
}

/// The words with a space between two of them. What is not visible ASCII is percent-encoded (RFC 3986 s2.1), and so is `%`, and a lone `-`:
/// two tokens that say different things never look alike.
fn visible<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for word in words.into_iter().filter(|word| !word.is_empty()) {
        if !text.is_empty() {
            text.push(' ');
        }
        for byte in word.bytes() {
            if byte.is_ascii_graphic() && byte != b'%' {
                text.push(char::from(byte));
            } else {
                // Writing to a String does not fail.
                let _ = write!(text, "%{byte:02X}");
            }
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
