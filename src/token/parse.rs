//! Reads the claims of an authentic payload, once, straight into spans of the payload's own buffer.
//!
//! Written by hand where a derive would do less: duplicate members are refused whether known or not, a fault names its claim, and nothing is
//! allocated for strings without escapes. It sees only bytes whose MAC was right.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::access_token::{AccessToken, Span, SpanList, Spans, Text};
use super::error::InvalidToken;
use super::json::{Cursor, Fault, Str};
use super::scope::Scope;
use super::usual::Usual;

/// The longest subject, client or token id, in bytes.
pub(super) const MAX_ID_BYTES: usize = 255;

/// What the claims must be compared with.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) audience: &'a [String],
    pub(super) usual: &'a Usual,
}

/// A payload with the answers to the questions that are asked about it only once.
pub(super) struct Payload {
    pub(super) token: AccessToken,
    pub(super) issuer_matches: bool,
    pub(super) audience_matches: bool,
    pub(super) nbf: Option<i64>,
}

/// Parses the payload's JSON text.
#[inline]
pub(super) fn parse(json: String, expected: Expected<'_>) -> Result<Payload, InvalidToken> {
    let Some(claims) = expected.usual.read(&json) else {
        return parse_any(json, expected);
    };
    let token = AccessToken { text: Text { json_bytes: json.len(), buffer: json }, claims };
    Ok(Payload { token, issuer_matches: true, audience_matches: true, nbf: None })
}

/// A payload with its members in any order and form.
#[cold]
pub(super) fn parse_any(json: String, expected: Expected<'_>) -> Result<Payload, InvalidToken> {
    let mut reader =
        Reader { cursor: Cursor::new(&json), expected, json_bytes: json.len(), unescaped: String::new(), read: Read::default() };
    reader.object()?;
    let (read, unescaped) = (reader.read, reader.unescaped);

    let json_bytes = json.len();
    let mut buffer = json;
    buffer.push_str(&unescaped);
    let token = AccessToken { text: Text { buffer, json_bytes }, claims: read.claims };
    Ok(Payload { token, issuer_matches: read.issuer_matches, audience_matches: read.audience_matches, nbf: read.nbf })
}

struct Reader<'j> {
    cursor: Cursor<'j>,
    expected: Expected<'j>,
    json_bytes: usize,
    unescaped: String,
    read: Read,
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

impl<'j> Reader<'j> {
    fn object(&mut self) -> Result<(), InvalidToken> {
        let (mut seen, mut first) = (0_u16, true);
        let mut unknown: SmallVec<[Cow<'j, str>; 8]> = SmallVec::new();
        self.cursor.open(b'{')?;
        while self.cursor.step(b'}', &mut first)? {
            let text = self.cursor.name()?;
            let Some(name) = Name::of(&text) else {
                if unknown.contains(&text) {
                    return Err(InvalidToken::DuplicateClaim);
                }
                unknown.push(text);
                self.cursor.skip()?;
                continue;
            };
            let bit = 1 << name as u8;
            if seen & bit != 0 {
                return Err(InvalidToken::DuplicateClaim);
            }
            seen |= bit;
            self.claim(name)?;
        }
        if !self.cursor.is_at_end() {
            return Err(InvalidToken::NotAnObject);
        }
        match REQUIRED.iter().find(|name| seen & (1 << **name as u8) == 0) {
            Some(missing) => Err(InvalidToken::ClaimMissing(missing.text())),
            None => Ok(()),
        }
    }

    fn claim(&mut self, name: Name) -> Result<(), InvalidToken> {
        let place = self.cursor.place();
        match self.value(name) {
            Err(Fault::Kind) => {
                self.cursor.back_to(place);
                self.cursor.skip()?;
                Err(InvalidToken::ClaimForm(name.text()))
            }
            read => Ok(read?),
        }
    }

    fn value(&mut self, name: Name) -> Result<(), Fault> {
        match name {
            Name::Iss => self.read.issuer_matches = self.cursor.string()?.text == self.expected.issuer,
            Name::Aud => self.read.audience_matches = self.audience()?,
            Name::Sub => self.read.claims.sub = self.text(is_id)?,
            Name::Jti => self.read.claims.jti = self.text(is_id)?,
            Name::ClientId => self.read.claims.client_id = self.text(is_id)?,
            Name::Sid => self.read.claims.sid = Some(self.text(is_id)?),
            Name::Acr => self.read.claims.acr = Some(self.text(is_id)?),
            Name::Scope => self.read.claims.scope = self.text(|text| Scope::parse(text).is_ok())?,
            Name::Amr => self.read.claims.amr = self.strings()?,
            Name::Roles => self.read.claims.roles = self.strings()?,
            Name::Exp => self.read.claims.exp = self.cursor.whole_number()?,
            Name::Iat => self.read.claims.iat = self.cursor.whole_number()?,
            Name::Nbf => self.read.nbf = Some(self.cursor.whole_number()?),
            Name::AuthTime => self.read.claims.auth_time = Some(self.cursor.whole_number()?),
        }
        Ok(())
    }

    fn text(&mut self, form: impl Fn(&str) -> bool) -> Result<Span, Fault> {
        let string = self.cursor.string()?;
        if form(&string.text) { Ok(self.span(string)) } else { Err(Fault::Kind) }
    }

    /// `roles` and `amr`: an array of strings.
    fn strings(&mut self) -> Result<SpanList, Fault> {
        let (mut spans, mut first) = (SpanList::new(), true);
        self.cursor.open(b'[')?;
        while self.cursor.step(b']', &mut first)? {
            let string = self.cursor.string()?;
            spans.push(self.span(string));
        }
        Ok(spans)
    }

    /// `aud`: one string or an array of strings (RFC 7519 s4.1.3), and whether one of them is expected.
    fn audience(&mut self) -> Result<bool, Fault> {
        let expected = self.expected.audience;
        let is_expected = |audience: &str| expected.iter().any(|expected| expected == audience);
        if self.cursor.open(b'[').is_err() {
            return Ok(is_expected(&self.cursor.string()?.text));
        }
        let (mut matches, mut first) = (false, true);
        while self.cursor.step(b']', &mut first)? {
            matches |= is_expected(&self.cursor.string()?.text);
        }
        Ok(matches)
    }

    /// Where the text lies: in the payload itself, or, if it had escapes, among the unescaped ones that will follow it.
    fn span(&mut self, string: Str<'j>) -> Span {
        // Both numbers fit: a payload has at most 6,144 bytes, and unescaping never makes a string longer.
        let len = string.text.len() as u16;
        let start = match string.text {
            Cow::Borrowed(_) => string.start,
            Cow::Owned(text) => {
                let start = self.json_bytes + self.unescaped.len();
                self.unescaped.push_str(&text);
                start
            }
        };
        Span { start: start as u16, len }
    }
}

/// 1 to 255 bytes without control characters.
fn is_id(text: &str) -> bool {
    // Without an early end the loop is a few vector instructions.
    (1..=MAX_ID_BYTES).contains(&text.len()) && !text.bytes().fold(false, |control, byte| control | byte.is_ascii_control())
}

/// Outside a claim's own value, whatever is not what it should be leaves no object of claims.
impl From<Fault> for InvalidToken {
    fn from(_: Fault) -> Self {
        InvalidToken::NotAnObject
    }
}
