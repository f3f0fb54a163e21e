//! Reads the claims of a payload that lies exactly as `sign` writes it: one walk from its beginning to its end, comparing what is always the
//! same and stepping over what is not. Nearly every token is such; whatever differs in a byte is left to `parse`, whose verdict counts.

use super::access_token::{Span, SpanList, Spans};
use super::parse::MAX_ID_BYTES;

/// What payloads of one issuer for one of these audiences are made of.
#[derive(Clone, Debug)]
pub(super) struct Usual {
    /// From the beginning to the subject.
    issuer: String,
    /// From the end of the subject to the expiry, for each audience.
    audiences: Vec<String>,
}

struct Walk<'j> {
    text: &'j [u8],
    at: usize,
}

impl Usual {
    /// An issuer or an audience that JSON writes with escapes makes texts that no plain payload holds.
    pub(super) fn new(issuer: &str, audiences: &[String]) -> Self {
        Self {
            issuer: format!(r#"{{"iss":"{issuer}","sub":""#),
            audiences: audiences.iter().map(|audience| format!(r#"","aud":"{audience}","exp":"#)).collect(),
        }
    }

    /// The claims, if this is a usual payload, for this audience by this issuer. None says nothing about it.
    pub(super) fn read(&self, json: &str) -> Option<Spans> {
        let mut walk = Walk { text: json.as_bytes(), at: 0 };
        if !is_plain(walk.text) {
            return None;
        }
        walk.eat(&self.issuer)?;
        let sub = walk.id()?;
        self.audiences.iter().find_map(|audience| walk.eat(audience))?;
        let exp = walk.number()?;
        walk.eat(r#","iat":"#)?;
        let iat = walk.number()?;
        walk.eat(r#","jti":""#)?;
        let jti = walk.id()?;
        walk.eat(r#"","client_id":""#)?;
        let client_id = walk.id()?;
        walk.eat(r#"","scope":""#)?;
        let scope = walk.scope()?;
        let claims = Spans { sub, client_id, jti, scope, iat, exp, ..Spans::default() };
        walk.login(claims)
    }
}

impl Walk<'_> {
    /// What only the token of a person says, to the end.
    fn login(mut self, mut claims: Spans) -> Option<Spans> {
        if self.eat(r#"","sid":""#).is_some() {
            claims.sid = Some(self.id()?);
            self.eat(r#"","auth_time":"#)?;
            claims.auth_time = Some(self.number()?);
            self.eat(r#","amr":[""#)?;
            claims.amr = self.strings()?;
            self.eat(r#","acr":""#)?;
            claims.acr = Some(self.id()?);
            if self.eat(r#"","roles":[""#).is_some() {
                claims.roles = self.strings()?;
                return self.ends("}").then_some(claims);
            }
        }
        self.ends("\"}").then_some(claims)
    }

    #[inline(always)]
    fn eat(&mut self, text: &str) -> Option<()> {
        self.text.get(self.at..)?.starts_with(text.as_bytes()).then(|| self.at += text.len())
    }

    fn ends(&self, text: &str) -> bool {
        self.text.get(self.at..) == Some(text.as_bytes())
    }

    /// Up to the next quote, which always ends a string in a plain text; eight bytes at a time.
    #[inline(never)]
    fn string(&mut self) -> Option<Span> {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
        let (words, tail) = self.text.get(self.at..)?.as_chunks::<8>();
        let mut len = 0;
        let mut words = words.iter();
        loop {
            let Some(word) = words.next() else {
                len += tail.iter().position(|byte| *byte == b'"')?;
                break;
            };
            // The lowest high bit that is set marks the first byte that became zero.
            let zero_at_quotes = u64::from_le_bytes(*word) ^ QUOTES;
            let marks = zero_at_quotes.wrapping_sub(ONES) & !zero_at_quotes & (ONES << 7);
            if marks != 0 {
                len += marks.trailing_zeros() as usize / 8;
                break;
            }
            len += 8;
        }
        let start = self.at;
        self.at += len;
        Some(Span { start: u16::try_from(start).ok()?, len: u16::try_from(len).ok()? })
    }

    fn id(&mut self) -> Option<Span> {
        self.string().filter(|span| (1..=MAX_ID_BYTES).contains(&usize::from(span.len)))
    }

    /// In a plain text only a space too many makes a scope malformed.
    fn scope(&mut self) -> Option<Span> {
        let span = self.string()?;
        let text = &self.text[usize::from(span.start)..self.at];
        let (mut previous, mut malformed) = (b' ', false);
        for byte in text {
            malformed |= previous == b' ' && *byte == b' ';
            previous = *byte;
        }
        malformed |= previous == b' ' && !text.is_empty();
        (!malformed).then_some(span)
    }

    /// Strings behind an opened array and the first quote, to its closing bracket.
    fn strings(&mut self) -> Option<SpanList> {
        let mut spans = SpanList::new();
        loop {
            spans.push(self.string()?);
            if self.eat("\"]").is_some() {
                return Some(spans);
            }
            self.eat("\",\"")?;
        }
    }

    /// A whole number of as many digits as surely fit.
    #[inline(never)]
    fn number(&mut self) -> Option<i64> {
        let rest = self.text.get(self.at..)?;
        let (mut number, mut digits) = (0_i64, 0);
        for byte in rest {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            number = number.wrapping_mul(10).wrapping_add(i64::from(digit));
            digits += 1;
        }
        self.at += digits;
        let is_usual = (1..=18).contains(&digits) && rest[0] != b'0';
        is_usual.then_some(number)
    }
}

/// Printable ASCII without a backslash. Without an early end the loop is a few vector instructions.
fn is_plain(text: &[u8]) -> bool {
    !text.iter().fold(false, |odd, byte| odd | (byte.wrapping_sub(b' ') >= 0x5f) | (*byte == b'\\'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::InvalidToken;
    use super::super::parse::{Expected, Payload, parse_any};
    use super::*;
    use proptest::prelude::*;

    const ISSUER: &str = "https://auth.example.com";
    const PERSON: &str = r#"{"iss":"https://auth.example.com","sub":"usr_1","aud":"orders","exp":1800000300,"iat":1800000000,"jti":"t1","client_id":"hallpass","scope":"a b","sid":"s1","auth_time":1799999999,"amr":["pwd","otp"],"acr":"2","roles":["clerk","chief"]}"#;
    const CLIENT: &str = r#"{"iss":"https://auth.example.com","sub":"cli_1","aud":"orders","exp":1800000300,"iat":1800000000,"jti":"t1","client_id":"cli_1","scope":""}"#;

    fn audiences() -> Vec<String> {
        ["billing", "orders"].map(String::from).into()
    }

    fn usual() -> Usual {
        Usual::new(ISSUER, &audiences())
    }

    fn parsed(json: &str) -> Result<Payload, InvalidToken> {
        parse_any(json.to_owned(), Expected { issuer: ISSUER, audience: &audiences(), usual: &usual() })
    }

    /// Whatever is read here is read as `parse_any` reads it.
    fn agrees(json: &str) -> bool {
        let Some(claims) = usual().read(json) else { return false };
        let payload = parsed(json).unwrap();
        assert_eq!(claims, payload.token.claims, "{json}");
        assert!(payload.issuer_matches && payload.audience_matches && payload.nbf.is_none(), "{json}");
        true
    }

    #[test]
    fn what_sign_writes_is_usual_for_people_and_clients() {
        let without_roles = PERSON.replace(r#","roles":["clerk","chief"]"#, "");
        for json in [PERSON, CLIENT, &without_roles, &PERSON.replace("a b", ""), &PERSON.replace("orders", "billing")] {
            assert!(agrees(json), "{json}");
        }
    }

    #[test]
    fn what_differs_from_it_is_left_to_others() {
        let changes = [
            ("auth.example", "evil.example"),
            ("\"orders\"", "\"other\""),
            ("\"orders\"", "[\"orders\"]"),
            ("usr_1", ""),
            ("usr_1", "a\\u0062"),
            ("usr_1", "a\u{7f}"),
            ("usr_1", "\u{e9}"),
            ("1800000300", "1800000300.0"),
            ("1800000300", "01"),
            ("1800000300", "-1"),
            ("1800000300", "1234567890123456789"),
            ("1800000300", ""),
            ("a b", " a"),
            ("a b", "a "),
            ("a b", "a  b"),
            ("a b", " "),
            ("\"jti\":", " \"jti\":"),
            ("\"acr\"", "\"acR\""),
            ("chief\"]}", "chief\"],\"x\":1}"),
            ("chief\"]}", "chief\"]} "),
            ("\"t1\"", "1"),
            ("[\"pwd\",\"otp\"]", "[]"),
            ("[\"pwd\",\"otp\"]", "[\"pwd\",1]"),
        ];
        for (from, to) in changes {
            let json = PERSON.replacen(from, to, 1);
            assert!(json != PERSON && usual().read(&json).is_none(), "{json}");
        }
        for length in 0..PERSON.len() {
            assert!(usual().read(&PERSON[..length]).is_none());
        }
    }

    #[test]
    fn ids_have_the_same_bounds_as_elsewhere() {
        for (length, is_usual) in [(1, true), (7, true), (8, true), (255, true), (256, false)] {
            assert_eq!(agrees(&PERSON.replace("usr_1", &"x".repeat(length))), is_usual, "{length}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn any_damaged_payload_that_is_still_usual_is_read_as_others_read_it(
            at in any::<prop::sample::Index>(), put in "[a-c0-9 \",:{}\\[\\]\\\\\x00\x7f\u{e9}]{0,3}", cut in 0_usize..4, person in any::<bool>()
        ) {
            let good = if person { PERSON } else { CLIENT };
            let at = at.index(good.len());
            agrees(&format!("{}{put}{}", &good[..at], &good[(at + cut).min(good.len())..]));
        }

        #[test]
        fn any_values_of_the_usual_form_are_usual(
            sub in "[ !#-\\[\\]-~]{1,40}", scope in "([!#-\\[\\]-~]{1,9}( [!#-\\[\\]-~]{1,9}){0,3})?", exp in 1_i64..1 << 59, roles in prop::collection::vec("[ !#-\\[\\]-~]{0,9}", 1..7)
        ) {
            let roles = roles.iter().map(|role| format!("\"{role}\"")).collect::<Vec<_>>().join(",");
            let json = PERSON.replace("usr_1", &sub).replace("a b", &scope).replace("1800000300", &exp.to_string());
            prop_assert!(agrees(&json.replace(r#""clerk","chief""#, &roles)));
        }
    }
}
