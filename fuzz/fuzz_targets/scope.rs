//! Scopes are sets of words: parsing keeps every word, and covering is being a superset. The input is two scopes with a line break between them.
#![no_main]

use std::collections::BTreeSet;

use hallpass::token::Scope;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (granted, required) = text.split_once('\n').unwrap_or((text, ""));
    let (Ok(granted), Ok(required)) = (Scope::parse(granted), Scope::parse(required)) else { return };
    for scope in [&granted, &required] {
        let words: Vec<&str> = scope.iter().collect();
        assert_eq!(words.join(" "), scope.as_str());
        assert_eq!(scope.is_empty(), words.is_empty());
        assert!(scope.as_str().bytes().all(|byte| matches!(byte, b' ' | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
        let normalized = scope.normalized();
        let again = Scope::parse(&normalized).expect("a normalized scope is a scope");
        assert!(again.covers(scope) && scope.covers(&again) && again.normalized() == normalized);
    }
    let (have, need): (BTreeSet<&str>, BTreeSet<&str>) = (granted.iter().collect(), required.iter().collect());
    assert_eq!(granted.covers(&required), have.is_superset(&need));
});
