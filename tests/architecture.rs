//! The rooms of the house keep their directions: who may name whom, and how long a file may be.
//!
//! It reads the source text, so it also sees what a feature or a target would hide from the compiler.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One room: the other rooms it may name, and the crates (or parts of `std`) it must not.
struct Room {
    name: &'static str,
    may_use: &'static [&'static str],
    never: &'static [&'static str],
}

const WEB: &[&str] = &["actix", "actix_http", "actix_rt", "actix_service", "actix_web", "awc"];

/// The roots, which put the house together and may name anything.
const ROOTS: &[&str] = &["fuzzing", "lib", "main", "serve"];

const ROOMS: &[Room] = &[
    Room {
        name: "token",
        may_use: &[],
        never: &[
            "actix_web",
            "actix_http",
            "sqlx",
            "tokio",
            "bcrypt",
            "chrono",
            "log",
            "std::env",
            "std::fs",
            "std::io",
            "std::net",
            "std::time::SystemTime",
        ],
    },
    Room { name: "clock", may_use: &[], never: &["actix_web", "sqlx", "tokio"] },
    Room { name: "guard", may_use: &["token", "clock"], never: &["sqlx", "bcrypt", "tokio", "clap", "config", "chrono"] },
    Room { name: "follower", may_use: &["guard", "token", "clock"], never: &["actix_web", "sqlx", "bcrypt", "clap", "config", "chrono"] },
    Room { name: "caller", may_use: &[], never: &["actix_web", "sqlx", "chrono"] },
    Room { name: "logging", may_use: &["caller"], never: &["actix_web", "sqlx", "chrono"] },
    Room { name: "tally", may_use: &[], never: &["actix_web", "sqlx", "tokio"] },
    Room { name: "secret", may_use: &[], never: &["actix_web", "sqlx"] },
    Room { name: "config", may_use: &["secret"], never: &["actix_web", "sqlx", "bcrypt"] },
    Room { name: "store", may_use: &["token", "clock", "config", "secret"], never: WEB },
    Room { name: "authority", may_use: &["store", "token", "clock", "config", "secret", "caller", "tally"], never: WEB },
    Room { name: "feed", may_use: &["store", "token", "clock", "config", "secret"], never: WEB },
    Room {
        name: "http",
        may_use: &["authority", "guard", "token", "clock", "config", "secret", "caller", "tally"],
        never: &["sqlx", "bcrypt"],
    },
    Room { name: "metrics", may_use: &["http", "authority", "store", "tally"], never: &["actix_web", "sqlx", "bcrypt"] },
    Room {
        name: "endpoints",
        may_use: &["metrics", "http", "authority", "guard", "token", "clock", "config", "secret"],
        never: &["sqlx", "bcrypt"],
    },
    Room { name: "cli", may_use: &["serve", "logging", "authority", "store", "token", "clock", "config", "secret"], never: &["actix_web"] },
];

const LONGEST_FILE: usize = 300;

#[test]
fn every_room_names_only_the_rooms_it_may() {
    let wrong: Vec<String> = sources().iter().flat_map(|(path, text)| violations(path, text)).collect();
    assert!(wrong.is_empty(), "the rooms' directions are broken:\n{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(path, text)| (path, without_tests(text).lines().count()))
        .filter(|(path, lines)| *lines > LONGEST_FILE && !is_test_file(path))
        .map(|(path, lines)| format!("{} has {lines} lines without its tests", path.display()))
        .collect();
    assert!(long.is_empty(), "split these:\n{}", long.join("\n"));
}

#[test]
fn no_room_has_rooms_within_rooms() {
    let deep: Vec<String> =
        sources().iter().filter(|(path, _)| path.components().count() > 2).map(|(path, _)| path.display().to_string()).collect();
    assert!(deep.is_empty(), "`src/a/b.rs` and never deeper:\n{}", deep.join("\n"));
}

#[test]
fn the_table_knows_every_room() {
    // A new or renamed room would otherwise be under no rule at all.
    let there: BTreeSet<String> = sources().iter().map(|(path, _)| room_of(path)).filter(|name| !ROOTS.contains(&name.as_str())).collect();
    let known: BTreeSet<String> = ROOMS.iter().map(|room| room.name.to_owned()).collect();
    assert_eq!(there, known);
}

#[test]
fn a_made_up_violation_is_found_in_every_way_of_writing_it() {
    for text in [
        "use crate::store::Account;",
        "use crate::{clock::Clock, store};",
        "use crate::{\n    token::{Claims, scope::Scope},\n    store::{self, account},\n};",
        "fn f() { let _ = crate::store::open(); }",
        "pub(in crate::store) fn f() {}",
        "use super::super::store;",
        "use super::{super::store};",
        "use sqlx::PgPool;",
        "fn f(p: &::sqlx::PgPool) {}",
        "fn f(p: &sqlx::PgPool) {}",
        "use {log::info, sqlx as db};",
        "extern crate sqlx;",
    ] {
        assert_eq!(violations(Path::new("guard/extract.rs"), text).len(), 1, "{text}");
    }
    assert_eq!(violations(Path::new("guard.rs"), "use super::store;").len(), 1);
    assert_eq!(violations(Path::new("token/key.rs"), "use std::{fmt, fs};").len(), 1);
}

#[test]
fn comments_tests_and_allowed_rooms_are_no_violation() {
    for text in [
        "use crate::token::{Claims, KeyRing};\nuse crate::guard::policy::Policy;",
        "// crate::store knows more\n/// See [`crate::store`].",
        "fn f() {}\n#[cfg(test)]\n#[allow(dead_code)]\nmod tests {\n    use crate::store::Account;\n}",
        "fn f(config: &Config) { config.check(); not_sqlx::go() }",
    ] {
        assert_eq!(violations(Path::new("guard/extract.rs"), text), Vec::<String>::new(), "{text}");
    }
}

/// Everything `text` names that its room must not, as sentences.
fn violations(path: &Path, text: &str) -> Vec<String> {
    let name = room_of(path);
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else { return Vec::new() };
    if is_test_file(path) {
        return Vec::new();
    }
    let mut wrong = BTreeSet::new();
    for named in paths(&code(without_tests(text))) {
        let inner = from_crate_root(path, &named);
        if let Some(other) = inner.as_deref().and_then(|inner| inner.split("::").next())
            && is_room(other)
            && other != name
            && !room.may_use.contains(&other)
        {
            wrong.insert(format!("src/{}: `{name}` must not know `{other}`", path.display()));
        }
        if let Some(outer) = room.never.iter().find(|never| inner.is_none() && is_within(&named, never)) {
            wrong.insert(format!("src/{}: `{name}` must not know `{outer}`", path.display()));
        }
    }
    wrong.into_iter().collect()
}

fn is_room(name: &str) -> bool {
    ROOTS.contains(&name) || ROOMS.iter().any(|room| room.name == name)
}

fn is_within(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// `crate::a::b`, or the `super::` chain that means the same in this file, without its root.
fn from_crate_root(file: &Path, path: &str) -> Option<String> {
    if let Some(rest) = path.strip_prefix("crate::") {
        return Some(rest.to_owned());
    }
    let root = "super::".repeat(file.components().count());
    path.strip_prefix(&root).filter(|rest| !rest.starts_with("super")).map(str::to_owned)
}

fn room_of(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn is_test_file(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "tests")
}

/// The text up to the unit tests, which may reach for anything.
fn without_tests(text: &str) -> &str {
    let is_mod_tests = |after: &str| after.lines().find(|line| !line.starts_with("#[")).is_some_and(|line| line.starts_with("mod tests"));
    let end = text.match_indices("\n#[cfg(test)]\n").find(|(at, mark)| is_mod_tests(&text[at + mark.len()..]));
    end.map_or(text, |(at, _)| &text[..at])
}

/// The text without comments: documentation may speak of any room.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Every path of several parts, and everything a `use` names; groups like `a::{b, c::d}` are written out.
fn paths(code: &str) -> Vec<String> {
    let (mut found, mut prefixes, mut path, mut in_use) = (Vec::new(), Vec::<String>::new(), String::new(), false);
    for word in words(code).chain([";"]) {
        let is_name = word.chars().all(is_name_char);
        if word == "::" || (is_name && path.ends_with("::")) {
            // A leading `::` names a crate, as the bare name does.
            path.push_str(if path.is_empty() { "" } else { word });
            continue;
        }
        if word == "{" && in_use {
            prefixes.push(std::mem::take(&mut path));
            continue;
        }
        let whole = std::mem::take(&mut path);
        if whole.contains("::") || (in_use && !whole.is_empty()) {
            found.push(prefixes.concat() + &whole);
        }
        match word {
            "use" | "extern" => in_use = true,
            "}" => drop(prefixes.pop()),
            ";" => {
                in_use = false;
                prefixes.clear();
            }
            name if is_name => path.push_str(name),
            _ => {}
        }
    }
    found
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    let mut rest = code;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let end = if is_name_char(first) {
            rest.find(|c| !is_name_char(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

/// Every file of `src/`, by its path below it.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|suffix| suffix == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    assert!(!found.is_empty(), "no source below {}", root.display());
    found
}
