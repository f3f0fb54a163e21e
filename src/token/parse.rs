//! Reads the claims of an authentic payload, once, straight into spans of the payload's own buffer.
//!
//! Hand-written where a derive would do less: duplicate members are refused whether known or not, a fault names its claim, and nothing is
//! allocated for strings without escapes. It sees only bytes whose MAC was right.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

use super::access_token::{AccessToken, Span, SpanList, Spans, Text};
use super::error::InvalidToken;
use super::scope::Scope;

/// The longest subject, client or token id, in bytes.
const MAX_ID_BYTES: usize = 255;

/// What the claims must be compared with.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) audience: &'a [String],
}

/// A payload with the answers to the questions that are asked about it only once.
pub(super) struct Payload {
    pub(super) token: AccessToken,
    pub(super) issuer_matches: bool,
    pub(super) audience_matches: bool,
    pub(super) nbf: Option<i64>,
}

/// Parses the payload's JSON text.
pub(super) fn parse(json: String, expected: Expected<'_>) -> Result<Payload, InvalidToken> {
    let mut reader = Reader { json: &json, expected, unescaped: String::new(), fault: None };
    let mut deserializer = serde_json::Deserializer::from_str(&json);
    let read = deserializer.deserialize_map(&mut reader).and_then(|read| deserializer.end().map(|()| read));
    let read =
        read.map_err(|error| if error.is_data() { reader.fault.unwrap_or(InvalidToken::NotAnObject) } else { InvalidToken::NotAnObject });
    let (read, unescaped) = (read?, reader.unescaped);

    let json_bytes = json.len();
    let mut buffer = json;
    buffer.push_str(&unescaped);
    let token = AccessToken { text: Text { buffer, json_bytes }, claims: read.claims };
    Ok(Payload { token, issuer_matches: read.issuer_matches, audience_matches: read.audience_matches, nbf: read.nbf })
}

struct Reader<'j> {
    json: &'j str,
    expected: Expected<'j>,
    unescaped: String,
    fault: Option<InvalidToken>,
}

#[derive(Default)]
struct Read {
    claims: Spans,
    issuer_matches: bool,
    audience_matches: bool,
    nbf: Option<i64>,
}

macro_rules! names {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// The claims we know.
        #[derive(Clone, Copy)]
        #[repr(u8)]
        enum Name { $($variant),+ }

        impl Name {
            fn of(text: &str) -> Option<Self> {
                match text { $($name => Some(Name::$variant),)+ _ => None }
            }

            fn text(self) -> &'static str {
                match self { $(Name::$variant => $name),+ }
            }
        }
    };
}

names! {
    Iss = "iss", Sub = "sub", Aud = "aud", Exp = "exp", Iat = "iat", Nbf = "nbf", Jti = "jti", ClientId = "client_id", Scope = "scope",
    Sid = "sid", AuthTime = "auth_time", Amr = "amr", Acr = "acr", Roles = "roles",
}

/// What RFC 9068 s2.2 requires, and the scope, which we always write.
const REQUIRED: [Name; 8] = [Name::Iss, Name::Sub, Name::Aud, Name::Exp, Name::Iat, Name::Jti, Name::ClientId, Name::Scope];

impl<'de> Visitor<'de> for &mut Reader<'de> {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims of an access token")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Read, A::Error> {
        let mut read = Read::default();
        let mut seen = 0_u16;
        let mut unknown: SmallVec<[Cow<'de, str>; 8]> = SmallVec::new();
        while let Some(Str(key)) = members.next_key()? {
            let Some(name) = Name::of(&key) else {
                if unknown.contains(&key) {
                    return Err(self.fail(InvalidToken::DuplicateClaim));
                }
                unknown.push(key);
                members.next_value::<Unread>()?;
                continue;
            };
            let bit = 1 << name as u8;
            if seen & bit != 0 {
                return Err(self.fail(InvalidToken::DuplicateClaim));
            }
            seen |= bit;
            self.fault = Some(InvalidToken::ClaimForm(name.text()));
            self.claim(name, &mut members, &mut read)?;
        }
        match REQUIRED.iter().find(|name| seen & (1 << **name as u8) == 0) {
            Some(missing) => Err(self.fail(InvalidToken::ClaimMissing(missing.text()))),
            None => Ok(read),
        }
    }
}

impl<'de> Reader<'de> {
    fn claim<A: MapAccess<'de>>(&mut self, name: Name, members: &mut A, read: &mut Read) -> Result<(), A::Error> {
        let claims = &mut read.claims;
        match name {
            Name::Iss => read.issuer_matches = members.next_value::<Str>()?.0 == self.expected.issuer,
            Name::Aud => read.audience_matches = members.next_value_seed(Audience(self.expected.audience))?,
            Name::Sub => claims.sub = self.text(members, is_id)?,
            Name::Jti => claims.jti = self.text(members, is_id)?,
            Name::ClientId => claims.client_id = self.text(members, is_id)?,
            Name::Sid => claims.sid = Some(self.text(members, is_id)?),
            Name::Acr => claims.acr = Some(self.text(members, is_id)?),
            Name::Scope => claims.scope = self.text(members, |text| Scope::parse(text).is_ok())?,
            Name::Amr => claims.amr = members.next_value_seed(Strings(self))?,
            Name::Roles => claims.roles = members.next_value_seed(Strings(self))?,
            Name::Exp => claims.exp = members.next_value::<NumericDate>()?.0,
            Name::Iat => claims.iat = members.next_value::<NumericDate>()?.0,
            Name::Nbf => read.nbf = Some(members.next_value::<NumericDate>()?.0),
            Name::AuthTime => claims.auth_time = Some(members.next_value::<NumericDate>()?.0),
        }
        Ok(())
    }

    fn text<A: MapAccess<'de>>(&mut self, members: &mut A, form: fn(&str) -> bool) -> Result<Span, A::Error> {
        let Str(text) = members.next_value()?;
        if form(&text) { Ok(self.span(text)) } else { Err(de::Error::custom("form")) }
    }

    /// Where the text lies: in the payload itself, or, if it had escapes, among the unescaped ones that will follow it.
    fn span(&mut self, text: Cow<'de, str>) -> Span {
        // Both numbers fit: a payload has at most 6,144 bytes, and unescaping never makes a string longer.
        let len = text.len() as u16;
        let start = match text {
            Cow::Borrowed(text) => text.as_ptr().addr().wrapping_sub(self.json.as_ptr().addr()),
            Cow::Owned(text) => {
                let start = self.json.len() + self.unescaped.len();
                self.unescaped.push_str(&text);
                start
            }
        };
        Span { start: start as u16, len }
    }

    fn fail<E: de::Error>(&mut self, fault: InvalidToken) -> E {
        self.fault = Some(fault);
        E::custom("refused")
    }
}

/// 1 to 255 bytes without control characters.
fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len()) && !text.bytes().any(|byte| byte.is_ascii_control())
}

/// A string, borrowed unless it was written with escapes.
struct Str<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Str<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StrVisitor;
        impl<'de> Visitor<'de> for StrVisitor {
            type Value = Str<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Str<'de>, E> {
                Ok(Str(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Str<'de>, E> {
                Ok(Str(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(StrVisitor)
    }
}

/// A claim that no rule asks for. Read to its depths all the same (serde's `IgnoredAny` skips over broken escapes, numbers too large and any
/// nesting), so that what a handler asks for with `AccessToken::custom` is JSON.
struct Unread;

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Unread)
    }
}

impl<'de> Visitor<'de> for Unread {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self, A::Error> {
        while elements.next_element::<Unread>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Str, Unread>()?.is_some() {}
        Ok(self)
    }
}

/// Whole seconds, not negative. A fraction, an exponent or a text is not what this service writes.
struct NumericDate(i64);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = u64::deserialize(deserializer)?;
        i64::try_from(seconds).map(NumericDate).map_err(|_| de::Error::custom("beyond all time"))
    }
}

/// `roles` and `amr`: an array of strings.
struct Strings<'r, 'j>(&'r mut Reader<'j>);

impl<'de> DeserializeSeed<'de> for Strings<'_, 'de> {
    type Value = SpanList;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<SpanList, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Strings<'_, 'de> {
    type Value = SpanList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<SpanList, A::Error> {
        let mut spans = SpanList::new();
        while let Some(Str(text)) = elements.next_element()? {
            spans.push(self.0.span(text));
        }
        Ok(spans)
    }
}

/// `aud`: one string or an array of strings (RFC 7519 s4.1.3); the value is whether one of them is expected.
struct Audience<'e>(&'e [String]);

impl<'de> DeserializeSeed<'de> for Audience<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Audience<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_str<E: de::Error>(self, audience: &str) -> Result<bool, E> {
        Ok(self.0.iter().any(|expected| expected == audience))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<bool, A::Error> {
        let mut matches = false;
        while let Some(Str(audience)) = elements.next_element()? {
            matches |= self.0.iter().any(|expected| *expected == audience);
        }
        Ok(matches)
    }
}
