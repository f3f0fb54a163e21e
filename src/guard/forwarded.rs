//! What a gateway asks before it passes a request on: may this credential do what the route needs?
//!
//! The gateway says what the route needs in the query of its own question; the request itself only brings the credential. Whatever is said of
//! the request in other headers (`X-Forwarded-*`, `X-Original-*`) anybody can say, so nothing is decided by it.

use std::borrow::Cow;

use actix_web::HttpRequest;
use form_urlencoded::parse;

use super::cookie::{ACCESS_COOKIE, cookie};
use super::policy::Requirements;
use super::{AccessToken, Guard, Refusal};
use crate::token::{InvalidToken, Scope};

/// What a route needs, as its gateway says it: `scope=a b`, `role=x`, `max_age=300`, each at most once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rules<'a> {
    scope: Option<Cow<'a, str>>,
    role: Option<Cow<'a, str>>,
    max_age: Option<u64>,
}

/// A rule that is unknown, repeated, empty or malformed. Nobody passes by it: what was meant is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenRule;

impl<'a> Rules<'a> {
    /// Reads `application/x-www-form-urlencoded` text. The empty text asks for a valid token and nothing else.
    ///
    /// # Errors
    /// [`BrokenRule`]; an empty value too, which is what a variable of a gateway leaves when it is not set.
    pub fn parse(query: &'a str) -> Result<Self, BrokenRule> {
        let mut rules = Self::default();
        for (name, value) in parse(query.as_bytes()) {
            // What is no UTF-8 was replaced: it would be compared with something that nobody wrote.
            if value.is_empty() || value.contains(char::REPLACEMENT_CHARACTER) {
                return Err(BrokenRule);
            }
            match &*name {
                "scope" if rules.scope.is_none() && Scope::parse(&value).is_ok() => rules.scope = Some(value),
                "role" if rules.role.is_none() => rules.role = Some(value),
                "max_age" if rules.max_age.is_none() => rules.max_age = Some(whole_seconds(&value)?),
                _ => return Err(BrokenRule),
            }
        }
        Ok(rules)
    }

    fn check(&self, token: &AccessToken, now: i64) -> Result<(), Refusal> {
        let scope = self.scope.as_deref().unwrap_or_default();
        let needs =
            Requirements { scope: Scope::trusted(scope), role: self.role.as_deref(), person: false, max_age: self.max_age, acr: None };
        needs.check(token, now).map_err(|lack| lack.refusal(Cow::Owned(scope.to_owned()), self.max_age, None))
    }
}

/// Digits only: `parse` of a number would take a sign too.
fn whole_seconds(text: &str) -> Result<u64, BrokenRule> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain).ok_or(BrokenRule)
}

impl Guard {
    /// The token of a request that a gateway asks about, if it satisfies the rules. Stateless like every guarded route.
    ///
    /// # Errors
    /// Those of [`Guard::authenticate`], but for a malformed credential, which is a bad token here: gateways pass 401 and 403 on, and take 400
    /// for a failure of their own. [`Refusal::CsrfFailed`] for a cookie that came from elsewhere, whatever the method. Then what a rule asks.
    pub fn authorize_forwarded(&self, request: &HttpRequest, rules: &Rules<'_>) -> Result<AccessToken, Refusal> {
        let token = self.authenticate(request).map_err(|refusal| match refusal {
            Refusal::InvalidRequest => Refusal::InvalidToken(InvalidToken::NotThreeSegments),
            other => other,
        })?;
        // A bearer token beside the cookie did not get this far: what is here is the cookie's.
        if let (Some(origins), Some(_)) = (&self.0.cookies, cookie(request.headers(), ACCESS_COOKIE)?) {
            origins.check_forwarded(request.headers())?;
        }
        rules.check(&token, self.now())?;
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_forms_are() {
        let rules = |scope: Option<&'static str>, role: Option<&'static str>, max_age| Rules {
            scope: scope.map(Cow::Borrowed),
            role: role.map(Cow::Borrowed),
            max_age,
        };
        for (query, expected) in [
            ("", rules(None, None, None)),
            ("scope=a", rules(Some("a"), None, None)),
            ("scope=a+b", rules(Some("a b"), None, None)),
            ("scope=a%20b&role=x&max_age=300", rules(Some("a b"), Some("x"), Some(300))),
            ("max_age=0&scope=orders%3Aread", rules(Some("orders:read"), None, Some(0))),
            ("role=%C3%A4+b", rules(None, Some("\u{e4} b"), None)),
        ] {
            assert_eq!(Rules::parse(query), Ok(expected), "{query}");
        }
    }

    #[test]
    fn a_rule_that_is_unknown_repeated_empty_or_malformed_is_broken() {
        for query in [
            "scop=a",
            "Scope=a",
            "scope=a&scope=a",
            "role=x&role=y",
            "max_age=1&max_age=1",
            "scope=a&x",
            "x=1",
            "scope",
            "scope=",
            "role=",
            "max_age=",
            "=",
            "=a",
            "scope=a++b",
            "scope=+a",
            "scope=%22a%22",
            "scope=%FF",
            "scope=a%00",
            "role=%FF",
            "max_age=-1",
            "max_age=+1",
            "max_age=%2B1",
            "max_age=1.5",
            "max_age=5m",
            "max_age=18446744073709551616",
            "scope=a;role=x;",
            "?scope=a",
        ] {
            let parsed = Rules::parse(query);
            // A semicolon separates nothing in a form: it is part of the scope that is asked for.
            let is_denied = parsed == Err(BrokenRule) || parsed.is_ok_and(|rules| rules.scope.as_deref() == Some("a;role=x;"));
            assert!(is_denied, "{query}");
        }
    }
}
