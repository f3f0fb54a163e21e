//! A revocation as the tail keeps it: of one size, and in one piece as long as its id is no longer than ours are. Thousands of small pieces
//! that live for minutes, each among those of a request, would keep the memory of all these requests from being used again.

use crate::token::Revocation;

/// The length of our ids: four letters and a UUID.
const SHORT: usize = 40;

/// The revocation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Compact {
    kind: Kind,
    id: Id,
    until: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Session,
    Subject { issued_before: i64 },
    Token,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Id {
    /// Filled up with zeros.
    Short {
        len: u8,
        bytes: [u8; SHORT],
    },
    Long(Box<str>),
}

impl Compact {
    /// When every token that it denies has expired.
    pub(super) fn until(&self) -> i64 {
        self.until
    }
}

impl From<&Revocation> for Compact {
    fn from(revocation: &Revocation) -> Self {
        let (kind, id, until) = match revocation {
            Revocation::Session { id, until } => (Kind::Session, id, until),
            Revocation::Subject { id, issued_before, until } => (Kind::Subject { issued_before: *issued_before }, id, until),
            Revocation::Token { id, until } => (Kind::Token, id, until),
        };
        Self { kind, id: id.as_str().into(), until: *until }
    }
}

impl From<&Compact> for Revocation {
    fn from(Compact { kind, id, until }: &Compact) -> Self {
        let (id, until) = (id.into(), *until);
        match *kind {
            Kind::Session => Self::Session { id, until },
            Kind::Subject { issued_before } => Self::Subject { id, issued_before, until },
            Kind::Token => Self::Token { id, until },
        }
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(start), Ok(len)) => {
                start.copy_from_slice(text.as_bytes());
                Self::Short { len, bytes }
            }
            _ => Self::Long(text.into()),
        }
    }
}

impl From<&Id> for String {
    fn from(id: &Id) -> Self {
        match id {
            // They were text, and still are.
            Id::Short { len, bytes } => Self::from_utf8_lossy(bytes.get(..usize::from(*len)).unwrap_or_default()).into_owned(),
            Id::Long(text) => text.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_kept_comes_back_as_it_was() {
        let long = "x".repeat(300);
        for id in ["", "s", "019b2c4e-7d10-7b54-a6a1-3f0d5c9e8b21", "usr_019b2c4e-6a3f-7c11-9d42-5b8e0f7a1c63", "a\0", "ä", &long] {
            let (id, until) = (id.to_owned(), 3600);
            for revocation in [
                Revocation::Session { id: id.clone(), until },
                Revocation::Subject { id: id.clone(), issued_before: 50, until },
                Revocation::Token { id: id.clone(), until },
            ] {
                let compact = Compact::from(&revocation);
                assert_eq!((Revocation::from(&compact), compact.until()), (revocation, until));
            }
        }
    }

    #[test]
    fn what_differs_is_kept_as_different() {
        let kept = |id: &str| Compact::from(&Revocation::Session { id: id.into(), until: 1 });
        assert!(kept("a") != kept("a\0") && kept("") != kept("\0") && kept(&"x".repeat(40)) != kept(&"x".repeat(41)));
        assert_ne!(kept("a"), Compact::from(&Revocation::Token { id: "a".into(), until: 1 }));
        assert_ne!(kept("a"), Compact::from(&Revocation::Session { id: "a".into(), until: 2 }));
    }
}
