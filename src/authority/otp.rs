//! What a person sends as a second factor: a one-time code of their device (RFC 6238), or a recovery code.
//!
//! Codes have six digits, change every 30 s and are SHA-1's, because that is what every authenticator does; one step of the clock to either
//! side is accepted. Recovery codes have 128 bits, so a plain hash keeps them. Knows no account and no store.

use sha2::{Digest as _, Sha256};
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// How many recovery codes a person is given.
pub const RECOVERY_CODES: usize = 10;
/// As long as the hash (RFC 4226 s4).
pub const SECRET_BYTES: usize = 20;
const RECOVERY_BYTES: usize = 16;

/// What was sent, by its form.
pub(super) enum Otp {
    /// Six digits.
    Code(Zeroizing<String>),
    /// The hash, in hex, of what may be a recovery code.
    Recovery(String),
    /// Neither.
    Malformed,
}

impl Otp {
    /// Only ASCII digits count as such. Spaces may stand anywhere, and between the groups of a recovery code hyphens.
    pub(super) fn parse(sent: &Secret) -> Self {
        let code: Zeroizing<String> = Zeroizing::new(sent.expose().chars().filter(|letter| *letter != ' ').collect());
        if code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::Code(code);
        }
        let hex: Zeroizing<String> = Zeroizing::new(code.chars().filter(|letter| *letter != '-').collect());
        if hex.len() == RECOVERY_BYTES * 2 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Self::Recovery(hash(&hex));
        }
        Self::Malformed
    }
}

/// The time step of a code that is right at `now`.
pub(super) fn step_of(secret: &[u8], code: &str, now: i64) -> Option<i64> {
    let totp = Builder::new().with_secret(secret).build().ok()?;
    totp.check(code, now.try_into().ok()?)?.try_into().ok()
}

/// What a device has to know: the secret in base32, and the address that it is read from (a QR code, usually).
pub(super) fn enrolment(secret: &[u8], issuer: &str, email: &str) -> Option<(Secret, Secret)> {
    // A colon parts issuer and account there, so neither may have one.
    let label = |text: &str| text.replace(':', "_");
    let totp: Totp = Builder::new().with_secret(secret).with_issuer(Some(label(issuer))).with_account_name(label(email)).build().ok()?;
    Some((totp.secret().to_base32().into(), totp.to_url().ok()?.into()))
}

/// A new recovery code as it is shown, and its hash.
pub(super) fn new_recovery_code() -> Result<(Secret, String), getrandom::Error> {
    let mut bytes = Zeroizing::new([0; RECOVERY_BYTES]);
    getrandom::fill(&mut bytes[..])?;
    let hex = Zeroizing::new(hex(&bytes[..]));
    let groups: Vec<&str> = (0..hex.len()).step_by(4).filter_map(|at| hex.get(at..at + 4)).collect();
    Ok((groups.join("-").into(), hash(&hex)))
}

/// Of the digits in lower case.
fn hash(digits: &str) -> String {
    hex(&Sha256::digest(Zeroizing::new(digits.to_ascii_lowercase()).as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use totp_rs::Algorithm;

    const RFC_SECRET: &[u8] = b"12345678901234567890";

    fn parse(text: &str) -> Otp {
        Otp::parse(&text.into())
    }

    #[test]
    fn g8_the_vectors_of_rfc_6238_match() {
        let Ok(text) = std::fs::read_to_string("../shared/vectors/rfc6238_totp.json") else {
            return eprintln!("left out: ../shared/vectors/rfc6238_totp.json is not here");
        };
        let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
        let vectors = vectors["vectors"].as_array().unwrap();
        for vector in vectors {
            let text = |member: &str| vector[member].as_str().unwrap();
            let (algorithm, time) = (text("algorithm"), vector["time"].as_i64().unwrap());
            let secret: Vec<u8> = (0..text("secret_hex").len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&text("secret_hex")[at..at + 2], 16).unwrap())
                .collect();
            let known = match algorithm {
                "SHA1" => Algorithm::SHA1,
                "SHA256" => Algorithm::SHA256,
                "SHA512" => Algorithm::SHA512,
                other => panic!("{other}"),
            };
            let totp = Builder::new().with_algorithm(known).with_digits(8).with_skew(0).with_secret(secret.as_slice()).build().unwrap();
            assert_eq!(totp.check(text("code"), time as u64), Some(time as u64 / 30), "{vector}");
            if algorithm == "SHA1" {
                assert_eq!(step_of(&secret, text("code6"), time), Some(time / 30), "{vector}");
            }
        }
        assert_eq!(vectors.len(), 18);
    }

    #[test]
    fn g8_g11_a_code_of_the_rfc_is_right_one_step_to_either_side_and_no_further() {
        // RFC 6238 appendix B, at 1111111111 s: 14050471, of which six digits are shown.
        for (offset, step) in [(-31, Some(37_037_037)), (0, Some(37_037_037)), (58, Some(37_037_037)), (-32, None), (59, None)] {
            assert_eq!(step_of(RFC_SECRET, "050471", 1_111_111_111 + offset), step, "{offset}");
        }
        assert_eq!(step_of(RFC_SECRET, "050472", 1_111_111_111), None);
        for now in [i64::MIN, -1, i64::MAX] {
            assert_eq!(step_of(RFC_SECRET, "050471", now), None);
        }
    }

    #[test]
    fn g12_only_six_ascii_digits_are_a_code_and_spaces_do_not_count() {
        for text in ["123456", " 123456", "123 456", "1 2 3 4 5 6 "] {
            assert!(matches!(parse(text), Otp::Code(code) if *code == "123456"), "{text:?}");
        }
        for text in [
            "",
            "12345",
            "1234567",
            "12345a",
            "+12345",
            "-12345",
            "123-456",
            "123\t456",
            "123456\n",
            "\u{ff11}23456",
            "\u{661}\u{662}\u{663}",
        ] {
            assert!(matches!(parse(text), Otp::Malformed), "{text:?}");
        }
    }

    #[test]
    fn a_recovery_code_is_read_with_or_without_its_groups_in_either_case() {
        let (code, hash) = new_recovery_code().unwrap();
        let code = code.expose();
        assert_eq!((code.len(), code.split('-').count()), (39, 8));
        for typed in [code.to_owned(), code.replace('-', ""), code.replace('-', " "), code.to_ascii_uppercase(), format!(" {code} ")] {
            assert!(matches!(parse(&typed), Otp::Recovery(read) if read == hash), "{typed}");
        }
        for typed in [&code[1..], &format!("{code}0"), &code.replace('-', "_")] {
            assert!(matches!(parse(typed), Otp::Malformed), "{typed}");
        }
    }

    #[test]
    fn an_enrolment_can_be_read_by_a_device_whatever_the_address() {
        let (secret, url) = enrolment(RFC_SECRET, "auth.example.com", "o'hara+x&y=1@example.org").unwrap();
        assert_eq!(secret.expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(url.expose().starts_with("otpauth://totp/auth.example.com:"), "{}", url.expose());
        let read = Totp::from_url(url.expose()).unwrap();
        assert_eq!(
            (read.account_name(), read.issuer(), &read.secret()[..]),
            ("o'hara+x&y=1@example.org", Some("auth.example.com"), RFC_SECRET)
        );
        assert!(enrolment(RFC_SECRET, "auth.example.com:8443", "a:b@c").is_some());
    }
}
