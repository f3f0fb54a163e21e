//! Finds a cookie of a request (RFC 6265 s4.2). Nothing is unescaped, and of two with one name none is chosen: whoever managed to plant the
//! second must not win. It knows names and bytes, not what a cookie is for.

use actix_web::http::header::{COOKIE, HeaderMap};

use super::Refusal;

/// The cookie that carries an access token. Browsers take a name with this prefix only from the host itself, over TLS and for all its paths
/// (RFC 6265bis s4.1.3.2): no sibling domain can plant one.
pub const ACCESS_COOKIE: &str = "__Host-hallpass-access";

/// The value of the one cookie with exactly this name, not looked into. Other cookies, however broken, are somebody else's.
///
/// # Errors
/// [`Refusal::InvalidRequest`] for two cookies of the name, in one header or in several.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h [u8]>, Refusal> {
    let pairs = headers.get_all(COOKIE).flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
    let mut values = pairs.filter_map(|pair| value_of(pair, name));
    let value = values.next();
    if values.next().is_some() { Err(Refusal::InvalidRequest) } else { Ok(value) }
}

/// `cookie-pair = cookie-name "=" cookie-value`. Spaces are allowed around the pair only: a name that has to be cleaned up first is not the one
/// whose prefix a browser has checked.
fn value_of<'h>(pair: &'h [u8], name: &str) -> Option<&'h [u8]> {
    pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    fn read(lines: &[&[u8]]) -> Result<Option<Vec<u8>>, Refusal> {
        let mut headers = HeaderMap::new();
        lines.iter().for_each(|line| headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap()));
        cookie(&headers, "__Host-c").map(|value| value.map(<[u8]>::to_vec))
    }

    #[test]
    fn a_cookie_is_found_among_others_to_the_byte() {
        for line in ["__Host-c=v", "a=b; __Host-c=v", "__Host-c=v; a=b", "a;;b=; __Host-c=v;", " __Host-c=v\t;a", "a=\"b; __Host-c=v"] {
            assert_eq!(read(&[line.as_bytes()]), Ok(Some(b"v".to_vec())), "{line}");
        }
        for (line, value) in [("__Host-c=", ""), ("__Host-c==v=", "=v="), ("__Host-c=%zz%", "%zz%"), ("__Host-c=\"v\"", "\"v\"")] {
            assert_eq!(read(&[line.as_bytes()]), Ok(Some(value.into())), "{line}");
        }
        assert_eq!(read(&[b"__Host-c=\xff\xfe"]), Ok(Some(vec![0xff, 0xfe])));
        assert_eq!(read(&[b"a=b", b"__Host-c=v"]), Ok(Some(b"v".to_vec())));
    }

    #[test]
    fn e17_a_name_that_is_not_exactly_this_one_is_another_cookie() {
        for line in [
            "",
            "__host-c=v",
            "__HOST-C=v",
            "c=v",
            "__Host-c",
            "__Host-c =v",
            "__Host-cc=v",
            "__Host-c.=v",
            "=__Host-c=v",
            "a=__Host-c=v",
            "a=1, __Host-c=v",
            "$Version=1,__Host-c=v",
            "%5F_Host-c=v",
            "\"__Host-c=v\"",
            "\u{2003}__Host-c=v",
            "\u{a0}__Host-c=v",
        ] {
            assert_eq!(read(&[line.as_bytes()]), Ok(None), "{line}");
        }
    }

    #[test]
    fn e15_two_cookies_of_one_name_are_refused_even_if_they_are_alike() {
        for lines in [&["__Host-c=v; __Host-c=v"][..], &["__Host-c=v; a=b; __Host-c="], &["__Host-c=v", "__Host-c=w"]] {
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            assert_eq!(read(&lines), Err(Refusal::InvalidRequest));
        }
    }

    /// What the reader should be, said in another way: text cut into trimmed pairs, and those counted that begin with the name and `=`.
    fn model(lines: &[Vec<u8>]) -> Result<Option<Vec<u8>>, Refusal> {
        let text = |line: &Vec<u8>| line.iter().map(|byte| char::from(*byte)).collect::<String>();
        let pairs = lines.iter().map(text).flat_map(|line| line.split(';').map(str::to_owned).collect::<Vec<_>>());
        let ours: Vec<String> = pairs
            .map(|pair| pair.trim_matches([' ', '\t']).to_owned())
            .filter(|pair| pair.split_once('=').is_some_and(|(name, _)| name == "__Host-c"))
            .collect();
        let value = |pair: &String| pair["__Host-c=".len()..].chars().map(|char| char as u8).collect();
        if ours.len() > 1 { Err(Refusal::InvalidRequest) } else { Ok(ours.first().map(value)) }
    }

    fn header_bytes() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"__Host-c=".to_vec()),
            Just(b"; ".to_vec()),
            Just(b"=".to_vec()),
            Just(b"\t".to_vec()),
            prop::collection::vec(prop_oneof![0x20..=0x7e_u8, 0x80..=0xff_u8], 0..6),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn e16_whatever_is_sent_nothing_panics_and_the_model_agrees(lines in prop::collection::vec(header_bytes(), 0..4)) {
            let sent: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(read(&sent), model(&lines));
        }
    }
}
