//! Scopes: space-separated sets of words (RFC 6749 s3.3).

use std::fmt;

use thiserror::Error;

/// A set of scope tokens, borrowed from the text that holds it. Order and repetition mean nothing.
///
/// ```
/// use hallpass::token::Scope;
///
/// let granted = Scope::parse("orders:read orders:write")?;
/// assert!(granted.covers(&Scope::parse("orders:read")?));
/// assert!(!granted.covers(&Scope::parse("orders:read admin")?));
/// # Ok::<_, hallpass::token::scope::MalformedScope>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a>(&'a str);

/// The text holds a character that no scope token may hold, or a space too many.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a scope is words of printable ASCII without quotes and backslashes, with one space between two of them")]
pub struct MalformedScope;

impl<'a> Scope<'a> {
    /// No scope at all. Covers nothing but itself.
    pub const EMPTY: Scope<'static> = Scope("");

    /// Reads `scope-token *( SP scope-token )`, or the empty text as the empty set.
    ///
    /// # Errors
    /// [`MalformedScope`] for any other character, and for leading, trailing or doubled spaces.
    pub fn parse(text: &'a str) -> Result<Self, MalformedScope> {
        let well_formed = text.is_empty() || text.split(' ').all(|token| !token.is_empty() && token.bytes().all(is_scope_byte));
        if well_formed { Ok(Self(text)) } else { Err(MalformedScope) }
    }

    /// Text that was parsed before: the scope of a verified token, or a constant that the caller answers for.
    pub(crate) const fn trusted(text: &'a str) -> Self {
        Self(text)
    }

    /// Whether every token of `required` is in this set. Allocates nothing; costs one comparison a pair of tokens.
    pub fn covers(&self, required: &Scope<'_>) -> bool {
        required.iter().all(|token| self.contains(token))
    }

    /// Whether this one token is in the set.
    pub fn contains(&self, token: &str) -> bool {
        self.iter().any(|granted| granted == token)
    }

    /// The tokens, as written.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.split(' ').filter(|token| !token.is_empty())
    }

    /// Whether there is no token in the set.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// The same set, each token once, in the order of first appearance.
    pub fn normalized(&self) -> String {
        let mut tokens: Vec<&str> = Vec::new();
        for token in self.iter() {
            if !tokens.contains(&token) {
                tokens.push(token);
            }
        }
        tokens.join(" ")
    }
}

impl fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`: printable ASCII, without space, quote and backslash.
pub(crate) const fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_empty_scope_is_covered_by_everything_and_covers_nothing_else() {
        assert!(Scope::EMPTY.covers(&Scope::EMPTY));
        assert!(Scope::parse("a").unwrap().covers(&Scope::EMPTY));
        assert!(!Scope::EMPTY.covers(&Scope::parse("a").unwrap()));
    }

    #[test]
    fn a_token_is_compared_whole_and_by_case() {
        let granted = Scope::parse("orders:read").unwrap();
        for other in ["orders", "orders:rea", "orders:read:all", "Orders:read", "read"] {
            assert!(!granted.covers(&Scope::parse(other).unwrap()), "{other}");
        }
    }

    #[test]
    fn quotes_backslashes_controls_and_stray_spaces_are_refused() {
        for text in ["a\"b", "a\\b", "a\nb", "a\tb", " a", "a ", "a  b", " ", "ä", "a\0", "\u{7f}"] {
            assert_eq!(Scope::parse(text).unwrap_err(), MalformedScope, "{text:?}");
        }
    }

    fn tokens() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[!#-\\[\\]-~]{1,8}", 0..6)
    }

    proptest! {
        #[test]
        fn covering_is_the_subset_relation(granted in tokens(), required in tokens()) {
            let (g, r) = (granted.join(" "), required.join(" "));
            let subset = required.iter().all(|token| granted.contains(token));
            prop_assert_eq!(Scope::parse(&g).unwrap().covers(&Scope::parse(&r).unwrap()), subset);
        }

        #[test]
        fn normalizing_keeps_the_set_and_removes_repeats(list in tokens()) {
            let text = list.join(" ");
            let scope = Scope::parse(&text).unwrap();
            let normalized = scope.normalized();
            let again = Scope::parse(&normalized).unwrap();
            prop_assert!(scope.covers(&again) && again.covers(&scope));
            prop_assert_eq!(again.iter().count(), list.iter().collect::<std::collections::HashSet<_>>().len());
        }

        #[test]
        fn parsing_never_panics_and_what_it_accepts_is_scope_text(text in "\\PC*") {
            if let Ok(scope) = Scope::parse(&text) {
                prop_assert!(scope.iter().flat_map(str::bytes).all(is_scope_byte));
            }
        }
    }
}
