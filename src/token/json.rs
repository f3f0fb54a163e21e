//! Walks over a JSON text (RFC 8259) without building anything of it.
//!
//! What the claims of a token are made of, plain strings, whole numbers and lists, is read here; a string with escapes and every other value is
//! handed to `serde_json`, whose verdict decides. So this is fast where tokens are usual, and `serde_json` where they are not.
//! It knows nothing of claims.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A place in a JSON text.
pub(super) struct Cursor<'j> {
    json: &'j str,
    at: usize,
    /// No escape and no control character anywhere, as in every usual token: a string then ends at the next quote.
    is_plain: bool,
}

/// A string, borrowed from the text unless it was written with escapes.
pub(super) struct Str<'j> {
    pub(super) text: Cow<'j, str>,
    /// Where it begins in the text, behind its quote.
    pub(super) start: usize,
}

/// Why a value was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is of another kind than was asked for; whether it is JSON at all, [`Cursor::skip`] tells.
    Kind,
    /// The text is not JSON.
    Syntax,
}

impl<'j> Cursor<'j> {
    pub(super) fn new(json: &'j str) -> Self {
        // Without an early end the loop is a few vector instructions.
        let is_plain = !json.bytes().fold(false, |odd, byte| odd | (byte < 0x20) | (byte == b'\\'));
        Self { json, at: 0, is_plain }
    }

    /// Where it stands, to come back to by [`Self::back_to`].
    pub(super) fn place(&self) -> usize {
        self.at
    }

    pub(super) fn back_to(&mut self, place: usize) {
        self.at = place;
    }

    /// Steps into an array or object.
    pub(super) fn open(&mut self, bracket: u8) -> Result<(), Fault> {
        if self.eat(bracket) { Ok(()) } else { Err(Fault::Kind) }
    }

    /// Steps to the next element of the array or object that `close` ends; false behind its end. `first` begins as true.
    pub(super) fn step(&mut self, close: u8, first: &mut bool) -> Result<bool, Fault> {
        let first = std::mem::replace(first, false);
        if self.eat(close) {
            return Ok(false);
        }
        // A comma before the end is found by whatever reads the element that is not there.
        if first || self.eat(b',') { Ok(true) } else { Err(Fault::Syntax) }
    }

    /// Reads the name of a member and its colon.
    pub(super) fn name(&mut self) -> Result<Cow<'j, str>, Fault> {
        let name = self.string()?.text;
        if self.eat(b':') { Ok(name) } else { Err(Fault::Syntax) }
    }

    /// Reads a string.
    pub(super) fn string(&mut self) -> Result<Str<'j>, Fault> {
        self.open(b'"')?;
        let start = self.at;
        if !self.is_plain {
            return self.unusual_string(start);
        }
        let rest = self.json.as_bytes().get(start..).unwrap_or_default();
        let end = start + memchr::memchr(b'"', rest).ok_or(Fault::Syntax)?;
        let text = Cow::Borrowed(self.json.get(start..end).ok_or(Fault::Syntax)?);
        self.at = end + 1;
        Ok(Str { text, start })
    }

    fn unusual_string(&mut self, start: usize) -> Result<Str<'j>, Fault> {
        self.at = start - 1;
        // Borrowing fails when there is something to unescape.
        let text = self.value::<&str>().map(Cow::Borrowed).or_else(|_| self.value::<String>().map(Cow::Owned))?;
        Ok(Str { text, start })
    }

    /// Reads a whole number of 0 to 2^63 - 1, written without sign, fraction or exponent.
    pub(super) fn whole_number(&mut self) -> Result<i64, Fault> {
        self.skip_whitespace();
        let rest = self.json.as_bytes().get(self.at..).unwrap_or_default();
        let (mut number, mut digits) = (0_i64, 0);
        while let Some(digit @ b'0'..=b'9') = rest.get(digits) {
            number = number.checked_mul(10).and_then(|tens| tens.checked_add(i64::from(digit - b'0'))).ok_or(Fault::Kind)?;
            digits += 1;
        }
        let leading_zero = digits > 1 && rest[0] == b'0';
        if digits == 0 || leading_zero || matches!(rest.get(digits), Some(b'.' | b'e' | b'E')) {
            return Err(Fault::Kind);
        }
        self.at += digits;
        Ok(number)
    }

    /// Reads over any value.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        self.value::<Unread>().map(drop)
    }

    /// Whether nothing follows.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_whitespace();
        self.at == self.json.len()
    }

    /// Reads one value as serde_json does.
    fn value<T: Deserialize<'j>>(&mut self) -> Result<T, Fault> {
        let rest = self.json.get(self.at..).ok_or(Fault::Syntax)?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter();
        let value = values.next().and_then(Result::ok).ok_or(Fault::Syntax)?;
        self.at += values.byte_offset();
        Ok(value)
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.skip_whitespace();
        let next = self.json.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(next);
        next
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.json.as_bytes().get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }
}

/// A value that nobody asks for. Read to its depths all the same (serde's `IgnoredAny` skips over broken escapes, numbers beyond all range and
/// any nesting), so that whoever reads it later finds JSON.
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
        while members.next_entry::<Unread, Unread>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    /// Builds a value with the cursor alone, as far as it goes, to be compared with what serde_json builds.
    fn read(json: &str) -> Result<Value, Fault> {
        let mut cursor = Cursor::new(json);
        let value = read_value(&mut cursor)?;
        if cursor.is_at_end() { Ok(value) } else { Err(Fault::Syntax) }
    }

    fn read_value(cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
        let place = cursor.place();
        let mut first = true;
        if cursor.open(b'{').is_ok() {
            let mut members = Map::new();
            while cursor.step(b'}', &mut first)? {
                let name = cursor.name()?.into_owned();
                members.insert(name, read_value(cursor)?);
            }
            return Ok(members.into());
        }
        if cursor.open(b'[').is_ok() {
            let mut elements = Vec::new();
            while cursor.step(b']', &mut first)? {
                elements.push(read_value(cursor)?);
            }
            return Ok(elements.into());
        }
        match cursor.string() {
            Ok(string) => return Ok(string.text.into()),
            Err(Fault::Syntax) => return Err(Fault::Syntax),
            Err(Fault::Kind) => {}
        }
        if let Ok(number) = cursor.whole_number() {
            return Ok(number.into());
        }
        cursor.back_to(place);
        cursor.value()
    }

    /// Both read the same, or both refuse. (Nesting is bounded here only by the length of the text.)
    fn agree(json: &str) {
        let theirs = serde_json::from_str::<Value>(json);
        assert_eq!(read(json).ok(), theirs.ok(), "{json:?}");
        let mut cursor = Cursor::new(json);
        let skipped = cursor.skip().is_ok() && cursor.is_at_end();
        assert_eq!(skipped, serde_json::from_str::<Value>(json).is_ok(), "skipping {json:?}");
    }

    #[test]
    fn published_vectors_are_read_as_serde_json_reads_them() {
        let Ok(folder) = std::fs::read_dir("../shared/vectors/json_parsing") else {
            return eprintln!("left out: ../shared/vectors/json_parsing is not here");
        };
        let texts = folder.filter_map(|file| std::fs::read_to_string(file.unwrap().path()).ok());
        assert!(texts.filter(|text| text.len() < 10_000 && !text.contains("[[[[[")).map(|text| agree(&text)).count() > 200);
    }

    #[test]
    fn every_byte_in_a_string_is_read_as_serde_json_reads_it() {
        for byte in 0..0x80 {
            agree(&format!("\"a{}b\"", char::from(byte)));
        }
    }

    #[test]
    fn edges_of_the_grammar() {
        for json in [
            "",
            " ",
            "{",
            "}",
            "{}",
            "[]",
            "[,]",
            "[1,]",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":1 "b":2}"#,
            r#"{a:1}"#,
            "[1 2]",
            "0",
            "00",
            "-0",
            "1.",
            "1.0",
            "1e5",
            "1x",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551616",
            "\"",
            "\"\\",
            "\"\\\"",
            "\"a\nb\"",
            "\"\u{7f}\"",
            "\"\\u0000\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"é\"",
            " [ 1 , \"a\" ] ",
            "\u{feff}1",
            "\u{a0}1",
            "\u{b}1",
            "true",
            "tru",
            "nul",
            "null1",
        ] {
            agree(json);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn any_text_of_json_characters_is_read_as_serde_json_reads_it(json in r#"[\[\]{}:,"\\0-9eEu.a \n+-]{0,24}"#) {
            agree(&json);
        }

        #[test]
        fn any_damaged_object_is_read_as_serde_json_reads_it(at in any::<prop::sample::Index>(), put in "[\\PC\\x00-\\x20\"\\\\]{0,2}", cut in 0_usize..3) {
            let good = r#"{"sub":"usr_1","exp":1800000000,"aud":["a","\u00e9"],"x":{"y":[null,true,-1.5e3]},"s":"a\"b"}"#;
            let at = at.index(good.len());
            agree(&format!("{}{put}{}", &good[..at], &good[(at + cut).min(good.len())..]));
        }
    }
}
