//! Text that must never be printed: key material, passwords, client secrets, database addresses with a password in them.
//!
//! One type for all of them, so that a reviewer finds every place where a secret comes out by searching for `expose`.
//! It knows nothing about what the text means; weak or malformed secrets are refused by those who use them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// No secret of ours is longer; whoever names a device or a log file by mistake gets an error instead of a full memory.
const LONGEST_FILE: u64 = 64 * 1024;

/// Text that prints as `[redacted]` and is wiped from memory when dropped.
///
/// There is no `==` on purpose: comparing secrets takes constant time or goes through a MAC.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text itself. Never for logs, errors or answers.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Reads a secret from a file. One newline at the end (`\n` or `\r\n`) belongs to the editor and is left out.
    ///
    /// # Errors
    /// The file cannot be read, is longer than 64 KiB, or is not UTF-8. The error never holds its content.
    pub fn read(path: &Path) -> io::Result<Self> {
        Self::read_from(File::open(path)?)
    }

    /// Reads a secret from a stream to its end, as [`Secret::read`] does from a file.
    ///
    /// # Errors
    /// The stream fails, holds more than 64 KiB, or is not UTF-8.
    pub fn read_from(stream: impl Read) -> io::Result<Self> {
        let mut text = Zeroizing::new(String::new());
        let length = stream.take(LONGEST_FILE + 1).read_to_string(&mut text)?;
        if length as u64 > LONGEST_FILE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than 64 KiB"));
        }
        let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        Ok(Self::from(line))
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A database address that may be printed: without user, password and parameters.
///
/// People paste passwords with raw `@`, `/` and `?` in them, so everything up to the last `@` goes, whatever it is.
pub fn masked_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        let path = url.split('?').next().unwrap_or_default();
        return if path.contains('@') { "[redacted]".to_owned() } else { path.to_owned() };
    };
    let (redacted, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => ("[redacted]@", rest),
        None => ("", rest),
    };
    let place = rest.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{redacted}{place}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn k15_a_secret_prints_as_redacted_in_debug_and_display() {
        let secret = Secret::from("open sesame");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "[redacted] [redacted] Some([redacted])");
        assert_eq!(secret.expose(), "open sesame");
    }

    #[test]
    fn k5_exactly_one_trailing_newline_is_trimmed() {
        for (file, secret) in [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("a\r", "a\r"), ("", "")] {
            assert_eq!(Secret::read_from(file.as_bytes()).unwrap().expose(), secret, "{file:?}");
        }
    }

    #[test]
    fn a_secret_of_more_than_64_kib_or_not_in_utf8_is_refused() {
        assert!(Secret::read_from(&vec![b'a'; 64 * 1024][..]).is_ok());
        assert!(Secret::read_from(&vec![b'a'; 64 * 1024 + 1][..]).is_err());
        assert!(Secret::read_from(&[0xff, 0xfe][..]).is_err());
    }

    #[test]
    fn k22_a_masked_address_never_holds_the_password() {
        for (url, masked) in [
            ("postgres://hallpass:s3cret@db:5432/auth?sslmode=require", "postgres://[redacted]@db:5432/auth"),
            ("postgres://hallpass:s3c@ret/?#@db/auth", "postgres://[redacted]@db/auth"),
            ("postgres://db/auth?user=hallpass&password=s3cret", "postgres://db/auth"),
            ("postgres://db/auth?password=s3c@ret", "postgres://[redacted]@ret"),
            ("sqlite:hallpass.db", "sqlite:hallpass.db"),
            ("sqlite:///var/lib/hallpass.db?mode=rw", "sqlite:///var/lib/hallpass.db"),
            ("hallpass:s3cret@db/auth", "[redacted]"),
        ] {
            assert_eq!(masked_url(url), masked);
        }
    }
}
