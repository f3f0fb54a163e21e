//! What the lock file, the manifest and the image recipe promise about code that is not ours. `deny.toml` says more; this part needs no tool.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

/// The first release of each crate that is free of a fault which would reach us.
const OLDEST_SAFE: &[(&str, [u64; 3])] = &[
    ("actix-http", [3, 18, 11]),
    ("bcrypt", [0, 19, 2]),
    ("jsonwebtoken", [10, 3, 0]),
    ("rustls", [0, 23, 18]),
    ("rustls-webpki", [0, 103, 13]),
    ("sqlx", [0, 8, 1]),
];

/// `ring` is not here: it is an optional dependency that no feature of ours switches on, so it stands in the lock file and in no build.
const BANNED: &[&str] =
    &["actix-governor", "atty", "dotenv", "figment", "h2", "native-tls", "openssl", "openssl-sys", "rsa", "rustls-pemfile", "serde_yaml"];

#[test]
fn p2_no_banned_crate_is_in_the_lock_file() {
    let lock = lock();
    let found: Vec<&Package> = lock.iter().filter(|package| BANNED.contains(&package.name.as_str())).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn p2_the_audit_bans_the_same_crates() {
    let deny = file("deny.toml");
    let missing: Vec<_> = BANNED.iter().chain(&["ring"]).filter(|name| !deny.contains(&format!("crate = \"{name}\""))).collect();
    assert!(missing.is_empty(), "not in deny.toml: {missing:?}");
}

#[test]
fn p3_no_dependency_is_older_than_its_last_security_fix() {
    let lock = lock();
    for (name, oldest) in OLDEST_SAFE {
        let versions: Vec<[u64; 3]> = lock.iter().filter(|package| package.name == *name).map(|package| package.version).collect();
        assert!(!versions.is_empty(), "{name} is not in the lock file any more: take it off the list");
        assert!(versions.iter().all(|version| version >= oldest), "{name} {versions:?} has a known fault: {oldest:?} at least");
    }
}

#[test]
fn p5_the_crate_forbids_unsafe_code() {
    let manifest = file("Cargo.toml");
    let lints = manifest.split("[lints.rust]").nth(1).unwrap().split("\n[").next().unwrap();
    assert!(lints.contains("unsafe_code = \"forbid\""), "{lints}");
}

#[test]
fn p6_every_dependency_comes_from_the_registry_in_a_named_version() {
    let foreign: Vec<Package> = lock().into_iter().filter(|package| !package.from_registry && package.name != "hallpass").collect();
    assert!(foreign.is_empty(), "not from the registry: {foreign:?}");
    let manifest = file("Cargo.toml");
    for sign in ["git = ", "= \"*\"", "branch = "] {
        assert!(!manifest.contains(sign), "the manifest has `{sign}`");
    }
    assert!(!Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs").exists(), "a build script could reach for anything");
}

#[test]
fn p8_actix_web_is_taken_without_its_default_features() {
    let manifest = file("Cargo.toml");
    let line = manifest.lines().find(|line| line.starts_with("actix-web = ")).unwrap();
    assert!(line.contains("default-features = false"), "{line}");
    assert!(!line.contains("http2"), "{line}");
}

#[test]
fn p7_the_image_is_built_from_the_lock_file() {
    let recipe = file("Dockerfile");
    let builds: Vec<&str> = recipe.lines().filter(|line| line.contains("cargo build")).collect();
    assert!(!builds.is_empty());
    assert!(builds.iter().all(|line| line.contains("--locked")), "{builds:?}");
}

#[test]
fn k23_the_image_takes_no_secret_along_and_runs_as_nobody_special() {
    let recipe = file("Dockerfile");
    assert!(recipe.contains("\nUSER 65532:65532\n"));
    assert!(!recipe.contains("COPY . "), "the build takes named folders, not whatever lies about");
    for line in recipe.lines().filter(|line| ["ARG", "ENV", "COPY", "ADD"].iter().any(|word| line.starts_with(word))) {
        let line = line.to_ascii_lowercase();
        for sign in [".env", "secret", "password", "token", ".db", "keys", "hallpass-dev"] {
            assert!(!line.contains(sign), "`{sign}` in: {line}");
        }
    }
    let ignored = file(".dockerignore");
    assert_eq!(ignored.lines().find(|line| !line.is_empty() && !line.starts_with('#')), Some("*"), "first nothing, then what is named");
}

#[test]
fn a_lock_file_is_read_as_it_is_written() {
    let text = "[[package]]\nname = \"a\"\nversion = \"1.2.30-rc.1+x\"\nsource = \"registry+x\"\n\n[[package]]\nname = \"b\"\nversion = \"0.1.0\"\nsource = \"git+x\"\n";
    let found = packages(text);
    assert_eq!((found[0].name.as_str(), found[0].version, found[0].from_registry), ("a", [1, 2, 30], true));
    assert_eq!((found[1].name.as_str(), found[1].version, found[1].from_registry), ("b", [0, 1, 0], false));
}

#[derive(Debug)]
struct Package {
    name: String,
    version: [u64; 3],
    from_registry: bool,
}

fn lock() -> Vec<Package> {
    packages(&file("Cargo.lock"))
}

fn packages(lock: &str) -> Vec<Package> {
    let package = |block: &str| {
        let value = |key: &str| {
            let start = format!("{key} = \"");
            block.lines().find_map(|line| line.strip_prefix(&start)?.strip_suffix('"'))
        };
        let mut numbers = value("version").unwrap().split(['-', '+']).next().unwrap().split('.').map(|n| n.parse().unwrap());
        let mut number = || numbers.next().unwrap();
        Package {
            name: value("name").unwrap().to_owned(),
            version: [number(), number(), number()],
            from_registry: value("source").is_some_and(|source| source.starts_with("registry+")),
        }
    };
    lock.split("[[package]]\n").skip(1).map(package).collect()
}

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}
