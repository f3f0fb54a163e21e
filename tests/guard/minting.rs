//! Q4: a service that only verifies holds no code that mints.
//!
//! Cargo turns `testing` on for every test of this package, so no test can compile without it; this one reads the gates in the source instead,
//! and the library is compiled without any feature by `cargo check --lib --no-default-features`.

/// What mints, and the file in which it is made public.
const MINTING: [(&str, &str); 8] = [
    ("src/token.rs", "pub mod claims;"),
    ("src/token.rs", "pub mod sign;"),
    ("src/token.rs", "pub use claims::Claims;"),
    ("src/token.rs", "pub use sign::Signer;"),
    ("src/token/key.rs", "    pub(crate) fn sign("),
    ("src/token/key.rs", "    pub(crate) fn signing_key("),
    ("src/token/key.rs", "    pub(crate) fn header("),
    ("src/guard.rs", "pub mod testing;"),
];

#[test]
fn q4_everything_that_mints_is_behind_a_feature() {
    for (file, item) in MINTING {
        let text = std::fs::read_to_string(file).unwrap();
        let (before, _) = text.split_once(item).unwrap_or_else(|| panic!("{file} has no {item:?} any more: mend this list"));
        let gate = before.lines().last().unwrap().trim();
        assert!(
            matches!(gate, r#"#[cfg(any(feature = "service", feature = "testing"))]"# | r#"#[cfg(feature = "testing")]"#),
            "{file}: {item} is behind {gate:?}"
        );
    }
}

#[test]
fn q4_only_the_minting_module_prepares_a_mac_for_somebody_else() {
    for file in std::fs::read_dir("src/token").unwrap().map(|file| file.unwrap().path()) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".rs") && !matches!(name.as_str(), "sign.rs" | "key.rs") {
            let text = std::fs::read_to_string(&file).unwrap();
            let (shipped, _unit_tests) = text.split_once("\nmod tests {").unwrap_or((&text, ""));
            assert!(!shipped.contains(".sign("), "{name} signs");
        }
    }
}
